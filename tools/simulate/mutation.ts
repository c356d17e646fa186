/**
 * Plants a bug in a copy of the engine. The copy lives in a temporary directory that looks like an
 * installation: `node_modules/@millrace/core` is the mutated engine, the other packages are links to
 * the built ones, and beside it stands the built simulator. The checkout is never written to.
 */
import { cp, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryDirectory } from '@millrace/testing'
import ts from 'typescript'
import type { Mutant, Patch } from './mutants/mutant.ts'

export interface MutatedCopy {
  /** The simulator to run there. */
  readonly main: string
  remove(): Promise<void>
}

/** The built simulator, and the repository it belongs to. */
const simulatorDirectory = dirname(fileURLToPath(import.meta.url))
const root = join(simulatorDirectory, '..', '..', '..')

const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
}

/** The text with the patch. Fails when it does not apply exactly once. */
export const applyPatch = (text: string, patch: Patch, name: string): string => {
  const count = text.split(patch.find).length - 1
  if (count !== 1) {
    throw new Error(
      `mutant ${name}: its patch of ${patch.file} applies ${count} times, not once. The code has moved on: adapt the patch.\n${patch.find}`,
    )
  }
  return text.replace(patch.find, () => patch.replace)
}

const readPatched = async (file: string, mutant: Mutant): Promise<string> => {
  const path = relative(root, file)
  let text = await readFile(file, 'utf8')
  for (const patch of mutant.patches) {
    if (patch.file === path) text = applyPatch(text, patch, mutant.name)
  }
  return text
}

const compileCore = async (mutant: Mutant, target: string): Promise<void> => {
  const source = join(root, 'packages', 'core', 'src')
  const names = await readdir(source, { recursive: true })
  for (const name of names.filter((each) => each.endsWith('.ts'))) {
    const text = await readPatched(join(source, name), mutant)
    const { outputText } = ts.transpileModule(text, { compilerOptions, fileName: name })
    const output = join(target, 'dist', name.replace(/\.ts$/, '.js'))
    await mkdir(dirname(output), { recursive: true })
    await writeFile(output, outputText)
  }
  await cp(join(root, 'packages', 'core', 'package.json'), join(target, 'package.json'))
}

/** Fails when one does not apply any more: better now than after an hour of others. */
export const checkPatches = async (mutants: readonly Mutant[]): Promise<void> => {
  for (const mutant of mutants) {
    checkFiles(mutant)
    const files = new Set(mutant.patches.map(({ file }) => file))
    for (const file of files) await readPatched(join(root, file), mutant)
  }
}

const checkFiles = (mutant: Mutant): void => {
  const outside = mutant.patches.find(({ file }) => !file.startsWith('packages/core/src/'))
  if (outside !== undefined)
    throw new Error(`mutant ${mutant.name}: ${outside.file} is not in the core`)
}

export const createMutatedCopy = async (mutant: Mutant): Promise<MutatedCopy> => {
  checkFiles(mutant)
  const directory = await temporaryDirectory('millrace-mutant-')
  try {
    const scope = join(directory.path, 'node_modules', '@millrace')
    await compileCore(mutant, join(scope, 'core'))
    for (const name of ['codec', 'testing']) {
      await symlink(join(root, 'packages', name), join(scope, name))
    }
    await symlink(
      join(root, 'node_modules', 'typescript'),
      join(directory.path, 'node_modules', 'typescript'),
    )
    await cp(simulatorDirectory, join(directory.path, 'simulate'), { recursive: true })
    await writeFile(join(directory.path, 'package.json'), '{ "type": "module" }')
    return { main: join(directory.path, 'simulate', 'main.js'), remove: () => directory.remove() }
  } catch (error) {
    await directory.remove()
    throw error
  }
}
