/**
 * A set of keys that an issuer publishes. Fetched when it is first needed and kept for a while; a
 * token with a key that is not in it has it fetched again, not more often than the cooldown. Only
 * https, or http to this machine; no redirects; bounded in time and size.
 */
import type { TokenKeys } from './token-keys.ts'
import { isLoopbackHost } from '../net/loopback.ts'
import {
  KEY_SET_BYTES_MAX,
  KEY_SET_COOLDOWN_MS,
  KEY_SET_FETCH_MS_MAX,
  KEY_SET_KEPT_MS,
} from './limits.ts'

/** Throws an Error with the reason. */
export const checkKeySetUrl = (text: string): URL => {
  if (!URL.canParse(text)) throw new Error('it is no URL')
  const url = new URL(text)
  const isLocal = isLoopbackHost(url.hostname.replace(/^\[|\]$/g, ''))
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal))
    throw new Error('it must be https, or http on this machine')
  if (url.username !== '' || url.password !== '') throw new Error('it must hold no password')
  return url
}

export const createRemoteKeys = async (url: URL): Promise<TokenKeys> => {
  const { createRemoteJWKSet, customFetch } = await import('jose')
  const key = createRemoteJWKSet(url, {
    timeoutDuration: KEY_SET_FETCH_MS_MAX,
    cooldownDuration: KEY_SET_COOLDOWN_MS,
    cacheMaxAge: KEY_SET_KEPT_MS,
    [customFetch]: fetchBounded,
  })
  return { algorithms: ['RS256', 'ES256', 'EdDSA', 'Ed25519'], key }
}

const fetchBounded = async (url: string, options: RequestInit): Promise<Response> => {
  const response = await fetch(url, { ...options, redirect: 'error' })
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).length
    if (bytes > KEY_SET_BYTES_MAX) throw new Error(`more than ${KEY_SET_BYTES_MAX} bytes of keys`)
    chunks.push(chunk as Uint8Array)
  }
  return new Response(Buffer.concat(chunks), { status: response.status })
}
