/** Kafka's wire protocol in front of the engine. */
export {}
