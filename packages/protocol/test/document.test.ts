/** docs/protocol.md is normative, so it is compared with the code, not the code with memory. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  BATCH_HEADER_BYTES,
  crc32c,
  errorTable,
  murmur2,
  partitionForKey,
  writeVarint,
} from '@millrace/codec'
import * as protocol from '../src/index.ts'
import { bytesOf, fromHex, queueVectors, session, toHex } from './support.ts'

const documentText = readFileSync(join(__dirname, '../../../docs/protocol.md'), 'utf8')

/** The bytes of a ```hex block: what stands before `;` on each line. */
const hexBlocks = new Map(
  [...documentText.matchAll(/```hex (\S+)\n([^`]*)```/g)].map(([, name, text]) => [
    name,
    (text as string).replace(/;.*$/gm, '').replace(/\s/g, ''),
  ]),
)

const rows = (pattern: RegExp): string[][] =>
  [...documentText.matchAll(pattern)].map((match) => match.slice(1) as string[])

const section = (title: string): string => {
  const from = documentText.indexOf(`\n## ${title}`)
  expect(from).toBeGreaterThan(0)
  const to = documentText.indexOf('\n## ', from + 1)
  return documentText.slice(from, to < 0 ? undefined : to)
}

/** Of section 19, beside the whole session of section 16. */
const shown = queueVectors.filter(({ name }) => name === 'publish' || name === 'queue-deliver')

it.each([...session, ...shown])('shows the bytes of $name', (vector) => {
  expect(hexBlocks.get(vector.name)).toBe(vector.frame)
})

it('shows no frame that is not a vector', () => {
  const names = [...[...session, ...shown].map((vector) => vector.name), 'batch'].sort()
  expect([...hexBlocks.keys()].sort()).toEqual(names)
})

it('shows the batch of the session, with a right checksum', () => {
  const batch = fromHex(hexBlocks.get('batch') ?? '')
  const produce = session.find((vector) => vector.name === 'produce')
  expect(produce?.frame.endsWith(toHex(batch))).toBe(true)
  expect(batch.length).toBeGreaterThan(BATCH_HEADER_BYTES)
  expect(toHex(batch.subarray(17, 21))).toBe(
    crc32c(batch.subarray(21)).toString(16).padStart(8, '0'),
  )
})

it('lists every opcode with its number and no other', () => {
  const listed = rows(/^\| 0x([0-9a-f]{2}) \| ([A-Z_]+) +\|/gm)
  const known = Object.entries(protocol.Opcode).map(([name, opcode]) => [
    opcode.toString(16).padStart(2, '0'),
    name,
  ])
  expect(listed.sort()).toEqual(known.sort())
})

it('lists every error that can be sent, as the table has it', () => {
  const listed = rows(/^\| (ERR_\w+) +\| 0x([0-9a-f]{4}) +\| (\w+) +\| (yes|no) +\|/gm)
  const isSent = (wire: number): boolean => wire >> 8 !== 5 && wire !== 0x204 && wire !== 0x205
  const known = Object.entries(errorTable)
    .filter(([, { wire }]) => isSent(wire))
    .map(([code, { wire, scope, retriable }]) => [
      code,
      wire.toString(16).padStart(4, '0'),
      scope,
      retriable ? 'yes' : 'no',
    ])
  expect(listed.sort()).toEqual(known.sort())
})

it('names no error that does not exist', () => {
  for (const [code] of rows(/\b(ERR_[A-Z_]+)\b/g)) expect(errorTable).toHaveProperty(code as string)
})

it('states the limits of the code', () => {
  const limits = section('14. Limits').replace(/\s+/g, ' ')
  const stated: [string, number][] = [
    ['frame before CONNECTED, and least `frameBytesMax`', protocol.HANDSHAKE_FRAME_BYTES_MAX],
    ['frame, default wish of a client', protocol.FRAME_BYTES_DEFAULT],
    ['frame, most', protocol.FRAME_BYTES_MAX],
    ['record batch, default `batchBytesMax`', protocol.BATCH_BYTES_MAX],
    ['body, default `bodyBytesMax` (a batch and 4,096 bytes)', protocol.BODY_BYTES_MAX],
    ['unfinished bodies per direction', protocol.ASSEMBLIES_COUNT_MAX],
    ['unfinished bodies together', protocol.ASSEMBLIES_BODIES_MAX],
    ['control body', protocol.CONTROL_BODY_BYTES_MAX],
    ['control body of an answer that lists', protocol.CONTROL_LIST_BYTES_MAX],
    ['topics in one TOPIC_LISTED', protocol.TOPIC_LIST_COUNT_MAX],
    ['users in one USER_LISTED', protocol.USER_LIST_COUNT_MAX],
    ['permissions in one PERMISSION_LISTED', protocol.PERMISSION_LIST_COUNT_MAX],
    ['exchanges in one EXCHANGE_LISTED', protocol.EXCHANGE_LIST_COUNT_MAX],
    ['queues in one QUEUE_LISTED', protocol.QUEUE_LIST_COUNT_MAX],
    ['bindings in one BINDING_LISTED', protocol.BINDING_LIST_COUNT_MAX],
    ['messages in one PUBLISH or COMMIT', protocol.PUBLISH_COUNT_MAX],
    ['ranges in one SETTLE, settlements in one COMMIT', protocol.SETTLE_COUNT_MAX],
    ['deliveries in one QUEUE_PEEKED', protocol.PEEK_COUNT_MAX],
    ['dead letters of one delivery', protocol.DEAD_LETTERS_BYTES_MAX],
    ['nesting of a control body', protocol.CONTROL_DEPTH_MAX],
    ['body of PING', protocol.PING_BODY_BYTES_MAX],
    ['text of ERROR', protocol.ERROR_MESSAGE_CHARACTERS_MAX],
    ['heartbeat, default wish of a client', protocol.HEARTBEAT_MS_DEFAULT],
    ['silence until a peer is dead', protocol.HEARTBEAT_SILENCE_FACTOR],
  ]
  for (const [name, value] of stated) expect(limits).toContain(`| ${name} | ${value} `)
  expect(limits).toContain(`${protocol.HEARTBEAT_MS_MIN} to ${protocol.HEARTBEAT_MS_MAX} ms`)
})

it('gives right examples of varints', () => {
  const examples = rows(/(−?\d+) → `([0-9a-f ]+)`/g)
  expect(examples).toHaveLength(8)
  for (const [number, hex] of examples) {
    const target = new Uint8Array(5)
    const end = writeVarint(target, 0, Number(number?.replace('−', '-')))
    expect(toHex(target.subarray(0, end))).toBe(hex?.replaceAll(' ', ''))
  }
})

it('gives right hashes of keys', () => {
  const lines = rows(/^\| (\S+) +\| (-?\d+) +\| (\d+) +\| (\d) +\|$/gm)
  expect(lines.length).toBeGreaterThan(5)
  for (const [key, signed, positive, partition] of lines) {
    const bytes = bytesOf(key === '(empty)' ? '' : (key as string))
    expect(murmur2(bytes)).toBe(Number(signed))
    expect(murmur2(bytes) & 0x7fff_ffff).toBe(Number(positive))
    expect(partitionForKey(bytes, 6)).toBe(Number(partition))
  }
})

it('gives the right check value of CRC-32C', () => {
  const [[value]] = rows(/`123456789` give 0x([0-9A-F]{8})/g) as [[string]]
  expect(crc32c(bytesOf('123456789'))).toBe(Number.parseInt(value, 16))
})
