/** Kafka's wire protocol in front of the engine. */
export { KafkaGateway } from './kafka-gateway.ts'
export type { KafkaSettings, SharedMemory } from './kafka-settings.ts'
