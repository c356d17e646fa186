/** What a verified client certificate says: subject common name and subject alternative names. */
import type { TlsPeer } from '@millrace/core'

/** The part of a TLS socket that is asked. */
export interface CertificateSource {
  getPeerCertificate(detailed?: boolean): object
}

const NAME_KINDS: readonly string[] = ['DNS:', 'IP Address:', 'URI:', 'email:']

/**
 * `DNS:a.example, URI:spiffe://x, DNS:"odd, name"`: a value that could be taken for two stands in
 * quotes, as JSON. Kinds that name nobody, such as directory names, are left out.
 */
export const parseAlternativeNames = (text: string): readonly string[] => {
  const parts = text.match(/[\w ]+:(?:"(?:[^"\\]|\\.)*"|[^,]*)/g) ?? []
  return parts.flatMap((part) => {
    const entry = part.trimStart()
    const kind = NAME_KINDS.find((known) => entry.startsWith(known))
    return kind === undefined ? [] : [unquote(entry.slice(kind.length))]
  })
}

const unquote = (value: string): string =>
  value.startsWith('"') ? String(JSON.parse(value)) : value

interface Certificate {
  readonly subject?: { readonly CN?: unknown }
  readonly subjectaltname?: string
  readonly fingerprint256?: string
}

/** `undefined` when none was shown. Whoever calls has checked that it is verified. */
export const readTlsPeer = (source: CertificateSource): TlsPeer | undefined => {
  const { subject, subjectaltname, fingerprint256 } = source.getPeerCertificate() as Certificate
  if (fingerprint256 === undefined) return undefined
  const name = subject?.CN
  return {
    // Several common names (an array) name nobody: which of them would be believed?
    commonName: typeof name === 'string' ? name : '',
    names: parseAlternativeNames(subjectaltname ?? ''),
    fingerprint256,
  }
}
