/** Shared by every package: SWC to CommonJS, siblings from their sources, no build needed. */
module.exports = {
  testEnvironment: 'node',
  reporters: ['default', `${__dirname}/tools/lib/jest-results.cjs`],
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testEnvironmentOptions: {
    customExportConditions: ['@millrace/source', 'node', 'node-addons', 'require', 'default'],
  },
  transform: {
    '^.+\\.[tj]s$': [
      '@swc/jest',
      {
        swcrc: false,
        jsc: { target: 'es2022', parser: { syntax: 'typescript' }, keepClassNames: true },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  // These come as ES modules only, and Jest loads CommonJS.
  transformIgnorePatterns: ['/node_modules/(?!(@platformatic/(wasm-utils|dynamic-buffer)|jose)/)'],
  cacheDirectory: `${__dirname}/node_modules/.cache/jest`,
}
