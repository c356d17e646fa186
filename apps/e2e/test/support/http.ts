/** One GET of the broker's HTTP port. */
export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

export const get = async (port: number, path: string): Promise<HttpAnswer> => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return { status: response.status, body: await response.text() }
}
