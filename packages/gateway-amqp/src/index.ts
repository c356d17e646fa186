export { AmqpGateway } from './amqp-gateway.ts'
