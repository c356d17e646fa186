/**
 * What Jest cannot see, because it runs the sources: the built packages load by `import` and by
 * `require`, what they export exists, the command runs, and nobody's machine runs an install script.
 * Needs a build.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { missingOptional, resolveIn } from '../lib/lockfile.mjs'
import { inRoot, readJson, root, workspacePackages } from '../lib/workspace.mjs'

const output = async (program, ...parameters) =>
  (await promisify(execFile)(program, parameters, { cwd: root })).stdout.trim()

const evaluate = (code) => output(process.execPath, '--no-warnings', '-e', code)

const published = workspacePackages().filter(({ manifest }) => !manifest.private)
const { version } = readJson(inRoot('package.json'))

describe('built packages', () => {
  for (const { directory, manifest } of published) {
    const print = 'console.log(Object.keys(all).sort().join())'

    it(`${manifest.name} gives the same names to import and require`, async () => {
      const imported = await evaluate(`import('${manifest.name}').then((all) => ${print})`)
      const required = await evaluate(`const all = require('${manifest.name}'); ${print}`)
      assert.equal(imported, required)
    })

    it(`${manifest.name} has every file that its manifest names`, () => {
      const targets = Object.values(manifest.exports).flatMap((entry) =>
        typeof entry === 'string' ? [entry] : Object.values(entry),
      )
      const commands = Object.values(manifest.bin ?? {})
      for (const file of [...targets, ...commands]) {
        assert.ok(existsSync(inRoot(directory, file)), `${directory}/${file} is missing`)
      }
    })

    it(`${manifest.name} exports no pattern and has the version of the workspace`, () => {
      assert.deepEqual(
        Object.keys(manifest.exports).filter((path) => path.includes('*')),
        [],
      )
      assert.equal(manifest.version, version)
    })
  }
})

describe('the millrace command', () => {
  it('tells its version through npx', async () => {
    assert.match(await output('npx', '--no-install', 'millrace', 'version'), new RegExp(version))
  })

  it('is an executable file with a Node line', () => {
    const file = readFileSync(inRoot('apps', 'broker', 'bin', 'millrace.js'), 'utf8')
    assert.ok(file.startsWith('#!/usr/bin/env node\n'))
  })
})

const runtimeClosure = (packages) => {
  const seen = new Set()
  const waiting = published.map(({ directory }) => directory)
  for (const path of waiting) {
    for (const name of Object.keys(packages[path].dependencies ?? {})) {
      const found = resolveIn(packages, path, name)
      assert.ok(found, `${name}, needed by ${path}, is not in the lockfile`)
      const target = packages[found].link ? packages[found].resolved : found
      if (!seen.has(target)) waiting.push(target)
      seen.add(target)
    }
  }
  return seen
}

describe('what users install', () => {
  const { packages } = readJson(inRoot('package-lock.json'))

  it('runs no install script', () => {
    const closure = runtimeClosure(packages)
    assert.ok(closure.size > published.length, `only ${[...closure].join(', ')}`)
    assert.deepEqual(
      [...closure].filter((path) => packages[path].hasInstallScript),
      [],
    )
  })

  it('has a lockfile with the builds for every system, as npm ci demands', () => {
    const missing = missingOptional(packages).map(({ name }) => name)
    assert.deepEqual(missing, [], 'node tools/complete-lockfile.mjs adds them')
  })

  it('has a lockfile that knows every workspace package as it is', () => {
    for (const { directory, manifest } of workspacePackages()) {
      assert.deepEqual(
        packages[directory]?.dependencies ?? {},
        manifest.dependencies ?? {},
        join(directory, 'package.json'),
      )
    }
  })
})
