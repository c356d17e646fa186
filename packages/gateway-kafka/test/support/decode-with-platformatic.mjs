/**
 * Bodies of responses through the parsers of @platformatic/kafka, which come as ES modules only: a
 * list of `{ name, key, version, hex }` in, one result or error each out.
 */
import { readFileSync } from 'node:fs'
import * as kafka from '@platformatic/kafka'

const asText = (_key, value) => (typeof value === 'bigint' ? String(value) : value)

const decode = ({ name, key, version, hex }) => {
  const reader = kafka.Reader.from(Buffer.from(hex, 'hex'))
  try {
    const response = kafka[name].parseResponse(1, key, version, reader)
    return { response, left: reader.remaining }
  } catch (error) {
    // An error code in a response is thrown together with what was read.
    if (error.response === undefined) return { error: String(error) }
    return { response: error.response, left: reader.remaining }
  }
}

const asked = JSON.parse(readFileSync(0, 'utf8'))
process.stdout.write(JSON.stringify(asked.map(decode), asText))
