/** Certificates for a test, made by the openssl command: an authority and what it signs. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface CertificatePair {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
}

const openssl = (args: readonly string[]): void => {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

const keyOptions = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

const pairOf = (certFile: string, keyFile: string): CertificatePair => ({
  certFile,
  keyFile,
  cert: readFileSync(certFile, 'utf8'),
  key: readFileSync(keyFile, 'utf8'),
})

const pathsOf = (directory: string, name: string): [cert: string, key: string] => [
  join(directory, `${name}.crt`),
  join(directory, `${name}.key`),
]

export const makeAuthority = (directory: string, name: string): CertificatePair => {
  const [certFile, keyFile] = pathsOf(directory, name)
  const subject = ['-subj', `/CN=${name}`, '-days', '30']
  openssl(['req', '-x509', ...keyOptions, ...subject, '-keyout', keyFile, '-out', certFile])
  return pairOf(certFile, keyFile)
}

export interface CertificateRequest {
  readonly name: string
  /** As openssl writes it: `/CN=localhost`. */
  readonly subject?: string
  readonly alternativeNames?: string
  readonly days?: number
}

/** Signed by `authority`; by default for this machine. */
export const makeCertificate = (
  directory: string,
  authority: CertificatePair,
  request: CertificateRequest,
): CertificatePair => {
  const { name, subject = '/CN=localhost', days = 30 } = request
  const names = request.alternativeNames ?? 'DNS:localhost,IP:127.0.0.1'
  const [certFile, keyFile] = pathsOf(directory, name)
  const [csr, extensions] = [join(directory, `${name}.csr`), join(directory, `${name}.ext`)]
  writeFileSync(extensions, `subjectAltName=${names}\n`)
  openssl(['req', ...keyOptions, '-subj', subject, '-keyout', keyFile, '-out', csr])
  openssl([
    ...['x509', '-req', '-in', csr, '-days', String(days), '-CAcreateserial'],
    ...['-CA', authority.certFile, '-CAkey', authority.keyFile],
    ...['-extfile', extensions, '-out', certFile],
  ])
  return pairOf(certFile, keyFile)
}
