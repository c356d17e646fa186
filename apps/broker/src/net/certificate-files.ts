/** Certificates on the real disk. */
import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { CertificateFiles } from './certificates.ts'

export const nodeCertificateFiles: CertificateFiles = {
  read: (path) => readFileSync(path, 'utf8'),
  signature: async (path) => {
    try {
      const { ino, size, mtimeMs } = await stat(path)
      return `${ino} ${size} ${mtimeMs}`
    } catch (error) {
      return String((error as { code?: string }).code)
    }
  },
}
