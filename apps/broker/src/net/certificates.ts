/**
 * The broker's certificate, its key and the authority of client certificates: read from files, checked
 * as a set, read again when the files change or when somebody asks.
 *
 * Invariant: what is in force was loaded whole. A set that does not fit together changes nothing; the
 * old one stays, and the log says why.
 */
import { constants, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions, type SecureVersion } from 'node:tls'
import type { EngineLog, Timers } from '@millrace/core'
import { ConfigError } from '../config/config-error.ts'
import type { ConfigValues } from '../config/config-table.ts'
import { CERTIFICATE_EXPIRY_WARNING_MS, CERTIFICATE_LOOK_MS } from '../limits.ts'

export type ClientAuth = 'none' | 'optional' | 'required'

export interface TlsSettings {
  readonly certFile: string
  readonly keyFile: string
  readonly clientCaFile: string
  readonly clientAuth: ClientAuth
  readonly minVersion: SecureVersion
}

/** The disk, as far as certificates need it. */
export interface CertificateFiles {
  read(path: string): string
  /** Changes when the content may have changed; never fails. */
  signature(path: string): Promise<string>
}

export interface CertificateSurroundings {
  readonly files: CertificateFiles
  readonly log: EngineLog
  readonly timers: Timers
  readonly nowMs: () => number
}

/** `undefined` when TLS is off. Throws one `ConfigError` with all that is wrong. */
export const tlsSettingsOf = (values: ConfigValues): TlsSettings | undefined => {
  const [certFile, keyFile] = [values['tls.certFile'], values['tls.keyFile']]
  const clientCaFile = values['tls.clientCaFile']
  const clientAuth = values['tls.clientAuth'] as ClientAuth
  const problems: string[] = []
  if (certFile === '' && keyFile !== '') problems.push("'tls.keyFile' needs 'tls.certFile' too")
  if (certFile !== '' && keyFile === '') problems.push("'tls.certFile' needs 'tls.keyFile' too")
  if (clientAuth !== 'none' && clientCaFile === '') {
    problems.push(`'tls.clientAuth' is "${clientAuth}" and needs 'tls.clientCaFile'`)
  }
  if (clientAuth === 'none' && clientCaFile !== '') {
    problems.push("'tls.clientCaFile' is not used while 'tls.clientAuth' is \"none\"")
  }
  if (clientAuth !== 'none' && certFile === '')
    problems.push("'tls.clientAuth' needs TLS: set 'tls.certFile'")
  if (problems.length > 0) throw new ConfigError(problems)
  if (certFile === '') return undefined
  const minVersion = `TLSv${values['tls.minVersion']}` as SecureVersion
  return { certFile, keyFile, clientCaFile, clientAuth, minVersion }
}

const failureText = (error: unknown): string => {
  const { code, message } = error as { code?: string; message?: string }
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'it cannot be read (EACCES)'
  if (code === 'ERR_MISSING_PASSPHRASE')
    return 'it is encrypted, and the broker takes plain keys only'
  if (code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') return 'it does not belong to the certificate'
  return message ?? String(error)
}

/** The message names the setting and the file, never their content. */
const attempt = <T>(key: string, path: string, run: () => T): T => {
  try {
    return run()
  } catch (error) {
    throw new ConfigError([`'${key}' (${path}): ${failureText(error)}`])
  }
}

interface Loaded {
  readonly context: SecureContextOptions
  readonly certificate: X509Certificate
}

const load = (settings: TlsSettings, files: CertificateFiles): Loaded => {
  const { certFile, keyFile, clientCaFile, minVersion } = settings
  const cert = attempt('tls.certFile', certFile, () => files.read(certFile))
  const certificate = attempt('tls.certFile', certFile, () => new X509Certificate(cert))
  attempt('tls.certFile', certFile, () => createSecureContext({ cert }))
  const key = attempt('tls.keyFile', keyFile, () => files.read(keyFile))
  attempt('tls.keyFile', keyFile, () => createSecureContext({ cert, key }))
  const context: SecureContextOptions = {
    cert,
    key,
    minVersion,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  }
  if (clientCaFile === '') return { context, certificate }
  const ca = attempt('tls.clientCaFile', clientCaFile, () => files.read(clientCaFile))
  attempt('tls.clientCaFile', clientCaFile, () => new X509Certificate(ca))
  return { context: { ...context, ca }, certificate }
}

export class Certificates {
  readonly clientAuth: ClientAuth
  readonly #settings: TlsSettings
  readonly #surroundings: CertificateSurroundings
  readonly #listeners = new Set<(context: SecureContextOptions) => void>()
  readonly #paths: readonly string[]
  #context: SecureContextOptions
  /** Of the files when they were last loaded, and at the last look. */
  #loadedSignature: string | undefined
  #seenSignature: string | undefined
  #timer: { cancel(): void } | undefined
  #isStopped = false

  /** Throws a `ConfigError` when the files do not fit together. */
  constructor(settings: TlsSettings, surroundings: CertificateSurroundings) {
    const { certFile, keyFile, clientCaFile, clientAuth } = settings
    this.clientAuth = clientAuth
    this.#settings = settings
    this.#surroundings = surroundings
    this.#paths = [certFile, keyFile, clientCaFile].filter((path) => path !== '')
    const loaded = load(settings, surroundings.files)
    this.#context = loaded.context
    this.#tell(loaded.certificate)
  }

  get context(): SecureContextOptions {
    return this.#context
  }

  /** Runs `listener` with every new set. */
  onChange(listener: (context: SecureContextOptions) => void): void {
    this.#listeners.add(listener)
  }

  /** False: the new files are bad and the old certificate stays in force. */
  reload(): boolean {
    try {
      const loaded = load(this.#settings, this.#surroundings.files)
      this.#context = loaded.context
      this.#tell(loaded.certificate)
    } catch (error) {
      const reason = (error as Error).message
      this.#surroundings.log.error('tls.reload-failed', { reason, next: 'the old one stays' })
      return false
    }
    for (const listener of this.#listeners) listener(this.#context)
    return true
  }

  /**
   * Looks at the files now and then: watching their inodes would miss the ways in which certificates
   * are really replaced, by renames and by links that point elsewhere.
   */
  watch(): void {
    const again = (): void => {
      if (!this.#isStopped) this.watch()
    }
    this.#timer = this.#surroundings.timers.after(CERTIFICATE_LOOK_MS, () => {
      void this.look().then(again)
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** Loads what has changed, once it is the same for two looks: a copy may be half way. */
  async look(): Promise<void> {
    const { files } = this.#surroundings
    const signatures = await Promise.all(this.#paths.map((path) => files.signature(path)))
    const signature = signatures.join('\n')
    const isSettled = signature === this.#seenSignature
    this.#seenSignature = signature
    if (signature === this.#loadedSignature || !isSettled || this.#isStopped) return
    this.#loadedSignature = signature
    // Of the first files the signature is not known: they are compared once.
    if (this.#hasChanged()) this.reload()
  }

  #hasChanged(): boolean {
    const { files } = this.#surroundings
    const { cert, key, ca = '' } = this.#context
    const { certFile, keyFile, clientCaFile } = this.#settings
    const contents = [
      [certFile, cert],
      [keyFile, key],
      [clientCaFile, ca],
    ] as const
    try {
      return contents.some(([path, content]) => path !== '' && files.read(path) !== content)
    } catch {
      // The reload meets it again, and says what it is.
      return true
    }
  }

  #tell({ subject, validTo, fingerprint256 }: X509Certificate): void {
    const { log, nowMs } = this.#surroundings
    const fields = { subject: subject.replaceAll('\n', ', '), validTo, fingerprint256 }
    const leftMs = Date.parse(validTo) - nowMs()
    if (leftMs > CERTIFICATE_EXPIRY_WARNING_MS) log.info('tls.certificate-loaded', fields)
    else log.warn(leftMs > 0 ? 'tls.certificate-expires-soon' : 'tls.certificate-expired', fields)
  }
}
