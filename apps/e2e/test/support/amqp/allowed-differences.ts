/**
 * Where Millrace answers otherwise than Debian's RabbitMQ 3.10, and why. Each stands in
 * docs/gateways/amqp-0-9-1.md too.
 */
import type { AllowedDifference } from './comparison.ts'

export const allowedDifferences: readonly AllowedDifference[] = []
