/**
 * The rules of the house. Prettier owns the layout; these own what a reader would have to argue about.
 *
 * One program (`tsconfig.lint.json`) holds every source and test, so that types are known without a
 * build. Run it through `npm run lint`: Nx refreshes the project graph that the boundaries are read
 * from, and keeps the result of an unchanged package.
 */
import nx from '@nx/eslint-plugin'
import tseslint from 'typescript-eslint'
import { endToEndBoundaries, sourceBoundaries, testBoundaries } from './tools/lint/boundaries.mjs'
import { explainedDisable } from './tools/lint/explained-disable.mjs'
import { recommendedRules } from './tools/lint/recommended.mjs'
import {
  anyPlatform,
  belowTheEnvironment,
  foreignWords,
  houseSyntax,
  testSyntax,
} from './tools/lint/restrictions.mjs'

const sources = ['packages/*/src/**/*.ts', 'apps/*/src/**/*.ts']
const tests = ['**/test/**/*.ts']
const programs = ['tools/**', 'examples/**', 'apps/**']
const anyPlatformSources = ['codec', 'protocol', 'client-core'].map(
  (n) => `packages/${n}/src/**/*.ts`,
)
const coreSources = ['packages/core/src/**/*.ts']
const nodeEnvironment = ['packages/core/src/environment/node-*.ts']

const restrict = (...groups) => {
  const all = (key) => groups.flatMap((group) => group[key] ?? [])
  const globals = new Map(all('globals').map((entry) => [entry.name, entry]))
  return {
    'no-restricted-imports': ['error', { patterns: all('imports') }],
    'no-restricted-globals': ['error', { globals: [...globals.values()], checkGlobalObject: true }],
    'no-restricted-syntax': ['error', ...houseSyntax, ...all('syntax')],
  }
}

const scriptGlobals = ['process', 'console', 'Buffer', 'URL', 'AbortController', 'AbortSignal']
  .concat(['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate'])
  .concat([
    'performance',
    'fetch',
    'TextDecoder',
    'TextEncoder',
    'structuredClone',
    'queueMicrotask',
  ])
const commonJsGlobals = ['module', 'require', '__dirname', '__filename', 'exports']
const readonly = (names) => Object.fromEntries(names.map((name) => [name, 'readonly']))

const typeAware = {
  '@typescript-eslint/no-floating-promises': ['error', { ignoreIIFE: false }],
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/await-thenable': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': [
    'error',
    { considerDefaultExhaustiveForUnions: true },
  ],
}

const shape = {
  '@typescript-eslint/explicit-module-boundary-types': 'error',
  '@typescript-eslint/consistent-type-imports': 'error',
  '@typescript-eslint/no-unused-vars': [
    'error',
    { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
  ],
  'max-lines': ['error', { max: 500 }],
  'max-lines-per-function': ['error', { max: 70, IIFEs: true }],
  complexity: ['error', { max: 15 }],
  eqeqeq: ['error', 'always'],
  'no-console': 'error',
  'millrace/explained-disable': 'error',
}

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/dist-test/**',
      '**/node_modules/**',
      '.nx/**',
      '**/test-results/**',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' }, rules: recommendedRules },
  { plugins: { '@nx': nx, millrace: { rules: { 'explained-disable': explainedDisable } } } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: {
      parserOptions: { project: ['tsconfig.lint.json'], tsconfigRootDir: import.meta.dirname },
    },
    rules: { ...shape, ...typeAware, ...restrict() },
  },
  { files: sources, rules: { '@nx/enforce-module-boundaries': ['error', sourceBoundaries] } },
  {
    files: tests,
    rules: {
      '@nx/enforce-module-boundaries': ['error', testBoundaries],
      'max-lines': ['error', { max: 800 }],
      'max-lines-per-function': 'off',
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      'no-restricted-syntax': ['error', ...houseSyntax, ...testSyntax],
    },
  },
  {
    files: ['apps/e2e/**/*.ts', 'tools/**/*.ts', 'examples/**/*.ts'],
    rules: { '@nx/enforce-module-boundaries': ['error', endToEndBoundaries] },
  },
  { files: anyPlatformSources, rules: restrict(anyPlatform, belowTheEnvironment) },
  {
    files: coreSources,
    ignores: nodeEnvironment,
    rules: restrict(belowTheEnvironment, { syntax: foreignWords }),
  },
  { files: programs, rules: { 'no-console': 'off' } },
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: { ecmaVersion: 2024, globals: readonly(scriptGlobals) },
    rules: {
      'no-undef': 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' }],
      'max-lines': ['error', { max: 500 }],
      'max-lines-per-function': ['error', { max: 70 }],
      complexity: ['error', { max: 15 }],
      eqeqeq: ['error', 'always'],
      'millrace/explained-disable': 'error',
    },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: { sourceType: 'commonjs', globals: readonly(commonJsGlobals) },
  },
  {
    files: ['tools/test/**/*.mjs'],
    rules: { 'max-lines': ['error', { max: 800 }], 'max-lines-per-function': 'off' },
  },
)
