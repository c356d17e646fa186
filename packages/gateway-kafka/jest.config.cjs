module.exports = {
  ...require('../../jest.preset.cjs'),
  displayName: 'gateway-kafka',
  rootDir: __dirname,
}
