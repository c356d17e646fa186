/** Where things are in this repository, and the packages in it. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '..', '..')

export const inRoot = (...parts) => join(root, ...parts)

export const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))

const directoriesIn = (parent) =>
  readdirSync(inRoot(parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${parent}/${entry.name}`)

/** Every workspace package as `{ directory, manifest }`, the directory relative to the root. */
export const workspacePackages = () =>
  [...directoriesIn('packages'), ...directoriesIn('apps'), 'examples', 'tools']
    .filter((directory) => existsSync(inRoot(directory, 'package.json')))
    .map((directory) => ({ directory, manifest: readJson(inRoot(directory, 'package.json')) }))

/** Whether a directory holds a file of that ending, at any depth. */
export const holds = (directory, ending) =>
  existsSync(directory) &&
  readdirSync(directory, { recursive: true }).some((name) => String(name).endsWith(ending))
