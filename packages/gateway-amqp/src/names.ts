/** RabbitMQ takes line breaks out of names, and clients that print them rely on it. */
const LINE_BREAKS = /[\r\n]/g

export const cleanName = (name: string): string =>
  name.includes('\n') || name.includes('\r') ? name.replace(LINE_BREAKS, '') : name
