/** AMQP 0-9-1 in front of the engine. */
export { AmqpGateway } from './amqp-gateway.ts'
export {
  type AmqpSettings,
  PRODUCT_DEFAULT,
  type SharedMemory,
  VERSION_DEFAULT,
} from './amqp-settings.ts'
export {
  CHANNELS_COUNT_DEFAULT,
  CHANNELS_COUNT_MAX,
  FRAME_BYTES_DEFAULT,
  FRAME_BYTES_MIN,
  HEARTBEAT_SECONDS_DEFAULT,
  HEARTBEAT_SECONDS_MAX,
  MESSAGE_BYTES_DEFAULT,
  MESSAGE_BYTES_MAX,
} from './limits.ts'
export { amqpPropertyFormat } from './mapping.ts'
