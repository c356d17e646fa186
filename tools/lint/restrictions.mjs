/**
 * What a piece of code may not touch, as options of ESLint's own `no-restricted-*` rules.
 *
 * `anyPlatform`: packages that run in a browser too know nothing of Node.
 * `belowTheEnvironment`: code that the simulator must be able to run twice with the same result takes
 * clock, timers, random and disk from the environment it is handed. `queueMicrotask` and promises stay:
 * their order is defined by the language and no outside event comes between.
 */
import { builtinModules } from 'node:module'

/** `node:` names and their bare forms; those that Node knows only with the prefix need no list. */
const bareNames = builtinModules.filter((name) => /^[a-z]/.test(name)).join('|')
const nodeModule = `^(node:|(${bareNames})(/|$))`

/** Modules of Node without clock, randomness or I/O. */
const deterministic = '(?!(node:)?(assert|buffer|path|util|string_decoder|url)(/|$))'

const importsOf = (regex, message) => [{ regex, message }]

const globalsOf = (names, message) => names.map((name) => ({ name, message }))

const syntaxOf = (selectors, message) => selectors.map((selector) => ({ selector, message }))

const nodeOnly = 'This package runs in browsers too: no Node modules or globals.'
const environmentOnly = 'Take clock, timers, random and I/O from the environment you are handed.'

const dynamicNodeImport = `ImportExpression[source.value=/${nodeModule.replaceAll('/', '\\u002F')}/]`

export const anyPlatform = {
  imports: importsOf(nodeModule, nodeOnly),
  globals: globalsOf(
    ['Buffer', 'process', 'global', 'require', 'module', '__dirname', '__filename', 'setImmediate'],
    nodeOnly,
  ),
  syntax: syntaxOf([dynamicNodeImport], nodeOnly),
}

export const belowTheEnvironment = {
  imports: importsOf(`^${deterministic}${nodeModule.slice(1)}`, environmentOnly),
  globals: globalsOf(
    [
      'process',
      'performance',
      'crypto',
      'fetch',
      'WebSocket',
      'setTimeout',
      'setInterval',
      'setImmediate',
      'clearTimeout',
      'clearInterval',
      'clearImmediate',
      'FinalizationRegistry',
      'WeakRef',
    ],
    environmentOnly,
  ),
  syntax: syntaxOf(
    [
      'MemberExpression[object.name="Date"][property.name="now"]',
      'MemberExpression[object.name="Date"][property.value="now"]',
      'NewExpression[callee.name="Date"][arguments.length=0]',
      'CallExpression[callee.name="Date"]',
      'VariableDeclarator[init.name=/^(Date|Math)$/]',
      'MemberExpression[object.name="Math"][property.name="random"]',
      'MemberExpression[object.name="Math"][property.value="random"]',
      'MemberExpression[object.name="AbortSignal"][property.name="timeout"]',
      dynamicNodeImport,
    ],
    environmentOnly,
  ),
}

/** Words of the wire protocols that gateways translate: core has its own. */
export const foreignWords = syntaxOf(
  ['Identifier[name=/amqp|mqtt|stomp|kafka|qos/i]', 'ImportDeclaration[source.value=/gateway-/]'],
  'The core knows no wire protocol: a gateway translates.',
)

/** Everywhere. */
export const houseSyntax = [
  ...syntaxOf(['ExportDefaultDeclaration'], 'Name what you export: no default exports.'),
  ...syntaxOf(['ExportAllDeclaration'], 'Spell out public names: no export *.'),
  ...syntaxOf(
    ['BinaryExpression[operator="instanceof"][right.name="BrokerError"]'],
    'Recognise a BrokerError with isBrokerError: two copies of the package may be loaded.',
  ),
]

/** A test that does not run is not a test: CI refuses skips. */
export const testSyntax = syntaxOf(
  [
    'CallExpression[callee.object.name=/^(it|test|describe)$/][callee.property.name=/^(skip|only|todo)$/]',
    'CallExpression[callee.name=/^(xit|xtest|xdescribe|fit|fdescribe)$/]',
  ],
  'Every test runs, always.',
)
