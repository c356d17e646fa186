module.exports = {
  ...require('../../jest.preset.cjs'),
  displayName: 'gateway-amqp',
  rootDir: __dirname,
}
