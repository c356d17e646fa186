/** STORAGE_CHECK and BACKUP: long work of the engine. The session waits; nobody else does. */
import {
  decodeBackup,
  decodeStorageCheck,
  encodeBackedUp,
  encodeStorageChecked,
  Opcode,
} from '@millrace/protocol'
import { controlHandler } from '../control-request.ts'

export const handleStorageCheck = controlHandler({
  decode: decodeStorageCheck,
  answerOpcode: Opcode.STORAGE_CHECKED,
  encode: encodeStorageChecked,
  run: async (session, { topic }) => {
    const { broker } = session.services
    const request = topic === undefined ? {} : { topic }
    const report = await broker.checkStorage(session.open.caller, request)
    return { ...report, durationMs: Math.round(report.durationMs) }
  },
})

export const handleBackup = controlHandler({
  decode: decodeBackup,
  answerOpcode: Opcode.BACKED_UP,
  encode: encodeBackedUp,
  run: async (session, { name }) => {
    const { broker } = session.services
    const report = await broker.backUp(session.open.caller, name === undefined ? {} : { name })
    return { ...report, durationMs: Math.round(report.durationMs) }
  },
})
