/** One table per API: from it come the readers and writers of every version that is served. */
import type { Compiled } from './layout.ts'
import type { StructType } from './struct.ts'

export interface ApiTable<Request, Response> {
  readonly key: number
  readonly name: string
  /** First and last version that the tables describe. */
  readonly versions: readonly [first: number, last: number]
  /** The first version offered, when clients must see more than is served. */
  readonly offeredSince?: number
  readonly flexibleSince: number
  readonly request: StructType<Request>
  readonly response: StructType<Response>
}

export interface ApiVersion<Request, Response> {
  readonly version: number
  readonly isFlexible: boolean
  readonly request: Compiled<Request>
  readonly response: Compiled<Response>
}

export interface Api<Request, Response> {
  readonly key: number
  readonly name: string
  readonly first: number
  readonly last: number
  readonly offeredSince: number
  /** `undefined` for a version that is not served. */
  version(version: number): ApiVersion<Request, Response> | undefined
}

export const defineApi = <Request, Response>(
  table: ApiTable<Request, Response>,
): Api<Request, Response> => {
  const [first, last] = table.versions
  const compiled: ApiVersion<Request, Response>[] = []
  for (let version = first; version <= last; version++) {
    const layout = { version, isFlexible: version >= table.flexibleSince }
    const request = table.request.compile(layout)
    compiled[version] = { ...layout, request, response: table.response.compile(layout) }
  }
  const { key, name, offeredSince = first } = table
  return { key, name, first, last, offeredSince, version: (version) => compiled[version] }
}
