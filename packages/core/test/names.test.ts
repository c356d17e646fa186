import { isBrokerError } from '@millrace/codec'
import { NAME_BYTES_MAX, checkName, checkNamespace } from '../src/names.ts'

const reasonOf = (name: string): string | undefined => {
  try {
    checkName(name)
    return undefined
  } catch (error) {
    if (!isBrokerError(error)) throw error
    expect(error.code).toBe('ERR_INVALID_NAME')
    return error.message
  }
}

describe('a name', () => {
  it.each([
    'a',
    'orders.eu-west_1',
    'größe',
    '訂單',
    '🚀',
    '...',
    'a b',
    '__proto__',
    'constructor',
  ])('%j is one', (name) => expect(reasonOf(name)).toBeUndefined())

  it.each([
    '',
    '.',
    '..',
    '/',
    'a/b',
    '../etc',
    'a\u0000b',
    'a\nb',
    '\u007f',
    ' a',
    'a ',
    '\ud800',
    'a\udc00b',
  ])('%j is none', (name) => expect(reasonOf(name)).toBeDefined())

  it('has at most 255 bytes of UTF-8', () => {
    expect(reasonOf('x'.repeat(NAME_BYTES_MAX))).toBeUndefined()
    expect(reasonOf('x'.repeat(NAME_BYTES_MAX + 1))).toContain('longer than 255 bytes')
    expect(reasonOf(`${'ü'.repeat(127)}x`)).toBeUndefined()
    expect(reasonOf('ü'.repeat(128))).toContain('longer than 255 bytes')
  })

  it('is shown in its error short and without what a terminal would obey', () => {
    const reason = reasonOf(`\u001b[2J${'x'.repeat(1_000_000)}`) ?? ''
    expect(reason.length).toBeLessThan(200)
    expect(reason).not.toContain('\u001b')
  })
})

describe('a namespace', () => {
  it('is a name, or the slash that stands for the default', () => {
    expect(() => checkNamespace('/')).not.toThrow()
    expect(() => checkNamespace('tenant')).not.toThrow()
    for (const bad of ['', '//', 'a/b', '..']) expect(() => checkNamespace(bad)).toThrow()
  })
})
