import { parseAlternativeNames, readTlsPeer } from '../../src/net/tls-peer.ts'

const sourceOf = (certificate: object) => ({ getPeerCertificate: () => certificate })

it.each([
  ['', []],
  ['DNS:a.example', ['a.example']],
  [
    'DNS:a.example, IP Address:10.0.0.1, URI:spiffe://x/y',
    ['a.example', '10.0.0.1', 'spiffe://x/y'],
  ],
  ['email:a@example.org, DirName:/CN=evil, DNS:b', ['a@example.org', 'b']],
  // One name that holds what looks like another: quoted by the library, and one name here.
  ['DNS:"a, DNS:admin", DNS:b', ['a, DNS:admin', 'b']],
  ['DNS:"quote \\" inside", DNS:b', ['quote " inside', 'b']],
  ['othername:<unsupported>, DNS:b', ['b']],
])('reads %j as %j', (text, names) => {
  expect(parseAlternativeNames(text)).toEqual(names)
})

it('names the peer of a certificate', () => {
  const certificate = { subject: { CN: 'alice' }, subjectaltname: 'DNS:a', fingerprint256: 'AB:CD' }
  expect(readTlsPeer(sourceOf(certificate))).toEqual({
    commonName: 'alice',
    names: ['a'],
    fingerprint256: 'AB:CD',
  })
})

it('names nobody when there is no certificate', () => {
  expect(readTlsPeer(sourceOf({}))).toBeUndefined()
})

it('takes several common names for none', () => {
  const certificate = { subject: { CN: ['alice', 'admin'] }, fingerprint256: 'AB' }
  expect(readTlsPeer(sourceOf(certificate))).toMatchObject({ commonName: '', names: [] })
})
