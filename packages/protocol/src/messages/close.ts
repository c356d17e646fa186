/**
 * CLOSE and CLOSED: empty bodies. The broker answers every request it got before CLOSE, then CLOSED,
 * then ends the connection. Bytes in a body are ignored, so that a later version may fill it.
 */
export type Close = Readonly<Record<string, never>>

const NOTHING: Close = {}

export const encodeClose = (_close: Close): Uint8Array => new Uint8Array(0)

export const decodeClose = (_body: Uint8Array): Close => NOTHING
