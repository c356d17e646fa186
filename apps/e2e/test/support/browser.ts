/** Debian's Chromium, and pages that hold nothing but the client in `browser/client.js`. */
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { repositoryRoot } from './shell.ts'

const clientFile = join(repositoryRoot, 'apps', 'e2e', 'browser', 'client.js')

/** A web server on loopback, which is an origin of its own. */
export interface Site {
  readonly origin: string
  close(): void
}

export const startSite = async (): Promise<Site> => {
  const client = await readFile(clientFile)
  const server: Server = createServer((request, response) => {
    const isScript = request.url === '/client.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(
      isScript ? client : '<!doctype html><title>page</title><script src="client.js"></script>',
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  return { origin: `http://127.0.0.1:${port}`, close }
}

export const launchBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })

/** A page of the site, with everything that its scripts throw. */
export const openPage = async (
  browser: Browser,
  { origin }: Site,
): Promise<{ readonly page: Page; readonly errors: Error[] }> => {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  const page = await context.newPage()
  const errors: Error[] = []
  page.on('pageerror', (error) => errors.push(error))
  await page.goto(origin)
  return { page, errors }
}
