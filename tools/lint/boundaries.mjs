/**
 * Which package may import which: the table of layers and platforms, by the tags in each
 * `package.json` (`nx.tags`). ESLint asks Nx's project graph; `tools/test/lint.test.mjs` proves that
 * each row refuses something.
 */
const layer = (name, mayImport) => ({
  sourceTag: `layer:${name}`,
  onlyDependOnLibsWithTags: mayImport.map((target) => `layer:${target}`),
})

const layers = {
  base: ['base'],
  protocol: ['base'],
  core: ['base'],
  client: ['base', 'protocol', 'client'],
  gateway: ['base', 'core'],
  app: ['base', 'core', 'protocol', 'client', 'gateway'],
  testing: ['base', 'core', 'protocol', 'client', 'gateway', 'testing', 'app'],
}

const platforms = [
  { sourceTag: 'platform:any', onlyDependOnLibsWithTags: ['platform:any'] },
  {
    sourceTag: 'platform:browser',
    onlyDependOnLibsWithTags: ['platform:any', 'platform:browser'],
  },
  { sourceTag: 'platform:node', onlyDependOnLibsWithTags: ['platform:any', 'platform:node'] },
]

/** The end-to-end tests and the test tools start the broker, which nobody else imports. */
const broker = '@millrace/broker'

/** What may be imported by the sources of a package. */
export const sourceBoundaries = {
  banTransitiveDependencies: true,
  allow: [],
  depConstraints: [
    ...Object.entries(layers).map(([name, mayImport]) => layer(name, mayImport)),
    ...platforms,
  ],
}

/**
 * Tests may also import `@millrace/testing`, whatever the platform, and it depends on some of the
 * packages whose tests use it: a circle of tests, not of sources.
 */
export const testBoundaries = {
  ...sourceBoundaries,
  allowCircularSelfDependency: true,
  ignoredCircularDependencies: [
    'codec',
    'core',
    'protocol',
    'client-core',
    'client-node',
    'gateway-kafka',
    'gateway-amqp',
  ].map((name) => [`@millrace/${name}`, '@millrace/testing']),
  depConstraints: Object.entries(layers).map(([name, mayImport]) =>
    layer(name, [...new Set([...mayImport, 'testing'])]),
  ),
}

export const endToEndBoundaries = { ...testBoundaries, allow: [broker] }
