module.exports = {
  ...require('../../jest.preset.cjs'),
  displayName: 'client-core',
  rootDir: __dirname,
}
