/** Bytes to send: the same in every run, and not all alike. */
export const payloadOf = (bytes: number): Uint8Array => {
  const payload = new Uint8Array(bytes)
  for (let index = 0; index < bytes; index++) payload[index] = 32 + ((index * 7919) % 95)
  return payload
}
