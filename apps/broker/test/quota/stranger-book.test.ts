import { StrangerBook } from '../../src/quota/stranger-book.ts'

it('lets in as many strangers of an address as it may, and not one more', () => {
  const book = new StrangerBook({ perAddressMax: 2, bytesMax: 100 })
  const first = book.enter('10.0.0.1:1')
  book.enter('10.0.0.1:2')
  expect(() => book.enter('10.0.0.1:3')).toThrow('the limit of 2 connections is reached')
  book.enter('10.0.0.2:1')
  book.enter('[::1]:1')
  first.release()
  first.release()
  book.enter('10.0.0.1:3')
  expect(() => book.enter('10.0.0.1:4')).toThrow(/limit of 2/)
  expect(book.count).toBe(4)
})

it('holds as many bytes for strangers as it may, and not one more', () => {
  const book = new StrangerBook({ perAddressMax: 9, bytesMax: 100 })
  const [one, other] = [book.enter('a:1'), book.enter('b:1')]
  one.hold(60)
  other.hold(40)
  expect(() => other.hold(41)).toThrow(/limit of 100 bytes of connections/)
  other.release()
  expect(book.bytes).toBe(60)
  one.hold(100)
  one.hold(0)
  expect(book.bytes).toBe(0)
})

it('counts nothing of a peer that is known by now', () => {
  const book = new StrangerBook({ perAddressMax: 1, bytesMax: 100 })
  const pass = book.enter('a:1')
  pass.hold(50)
  pass.release()
  pass.hold(1e9)
  expect([book.count, book.bytes]).toEqual([0, 0])
})
