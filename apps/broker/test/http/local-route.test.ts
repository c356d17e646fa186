import { jsonAnswer } from '../../src/http/http-answer.ts'
import { localDetails, localRoute } from '../../src/http/local-route.ts'

const page = () => jsonAnswer(200, { topic: 'secret' })

it.each([
  ['127.0.0.1', true, 200],
  ['::1', true, 200],
  ['::ffff:127.0.0.1', true, 200],
  ['192.0.2.1', true, 403],
  ['::ffff:192.0.2.1', true, 403],
  ['', true, 403],
  ['192.0.2.1', false, 200],
])('answers %s with logins required: %s by %d', async (address, isRequired, status) => {
  const answer = await localRoute(page, () => isRequired)(new URLSearchParams(), address)
  expect(answer.status).toBe(status)
  expect(answer.body.includes('secret')).toBe(status === 200)
})

it.each([
  ['127.0.0.1', true, true],
  ['192.0.2.1', true, false],
  ['192.0.2.1', false, true],
])('gives %s details with logins required: %s: %s', async (address, isRequired, hasDetails) => {
  const route = (query: URLSearchParams) => jsonAnswer(200, { detailed: query.has('verbose') })
  const query = new URLSearchParams('verbose')
  const { body } = await localDetails(route, () => isRequired)(query, address)
  expect(JSON.parse(body)).toEqual({ detailed: hasDetails })
})
