/** SASL EXTERNAL: who a client's certificate says it is, with clients of other hands. */
import { type ChannelModel, connect, credentials } from 'amqplib'
import { closingOf, refusalOf, roundTrip } from './support/amqp/amqplib.ts'
import { runSecurePython, runSecureRuby } from './support/amqp/programs.ts'
import { launchSecured, type SecuredBroker } from './support/amqp/secured.ts'
import { eventually } from './support/eventually.ts'

const ACCESS_REFUSED = 403

jest.setTimeout(30_000)

let secured: SecuredBroker

beforeAll(async () => {
  secured = await launchSecured('amqp-certificates')
})

afterAll(() => secured?.release())

describe('a certificate', () => {
  const byCertificate = (name: string): Promise<ChannelModel> =>
    connect(secured.urlOf('amqpTls', ''), {
      ca: [secured.read('ca.crt')],
      cert: secured.read(`${name}.crt`),
      key: secured.read(`${name}.key`),
      credentials: credentials.external(),
    })

  it('says who amqplib is, and what it may', async () => {
    const connection = await byCertificate('machine')
    expect(await roundTrip(connection, 'machine.amqplib')).toEqual(['machine.amqplib'])
    expect(await refusalOf(connection, 'other')).toBe(ACCESS_REFUSED)
    const channel = await connection.createChannel()
    const publish = (): unknown => channel.publish('amq.topic', 'key', Buffer.from('no'))
    expect(await closingOf(channel, publish)).toMatchObject({ code: ACCESS_REFUSED })
    await connection.close()
  })

  it('of nobody is refused, and of another authority not even asked', async () => {
    await expect(byCertificate('nobody')).rejects.toThrow(/403 \(ACCESS-REFUSED\)/)
    await expect(byCertificate('mallory')).rejects.not.toThrow(/403/)
    const isLogged = (what: RegExp) => () => what.test(secured.broker.stdout())
    await eventually('one is in the log', isLogged(/certificate of nobody.*"auth\.failed"/))
    await eventually('so is the other', isLogged(/"tls\.certificate-refused"/))
  })

  it('is nothing to log in with over a plain connection', async () => {
    const login = connect(secured.urlOf('amqp', ''), { credentials: credentials.external() })
    await expect(login).rejects.toThrow(/EXTERNAL|403/)
  })

  it('does not keep a password from being asked for', async () => {
    const connection = await connect(secured.urlOf('amqpTls'), {
      ca: [secured.read('ca.crt')],
      cert: secured.read('nobody.crt'),
      key: secured.read('nobody.key'),
    })
    expect(await roundTrip(connection, 'by.password')).toEqual(['by.password'])
    await connection.close()
  })

  it('says the same for pika', () => runSecurePython(secured, 'Certificates'))

  it('says the same for bunny', () => runSecureRuby(secured, 'certificate'))
})
