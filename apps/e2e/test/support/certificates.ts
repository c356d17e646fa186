/** Certificates for a test, made by the openssl command. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

const openssl = (directory: string, args: readonly string[]): void => {
  execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** `NAME.crt` and `NAME.key` in the directory, signed by itself. */
export const makeAuthority = (directory: string, name = 'ca'): void => {
  const subject = ['-subj', `/CN=${name}`, '-days', '30']
  openssl(directory, [
    ...['req', '-x509', ...newKey, ...subject],
    ...['-keyout', `${name}.key`, '-out', `${name}.crt`],
  ])
}

/** The same, signed by an authority of the directory, for this machine. */
export const makeCertificate = (directory: string, name: string, authority = 'ca'): void => {
  const [csr, extensions] = [`${name}.csr`, `${name}.ext`]
  writeFileSync(join(directory, extensions), 'subjectAltName = DNS:localhost, IP:127.0.0.1\n')
  openssl(directory, [
    'req',
    ...newKey,
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    csr,
  ])
  openssl(directory, [
    ...['x509', '-req', '-in', csr, '-days', '30', '-CAcreateserial', '-extfile', extensions],
    ...['-CA', `${authority}.crt`, '-CAkey', `${authority}.key`, '-out', `${name}.crt`],
  ])
}
