/** The one refusal of this package: what was sent would be larger than the reader allows. */
import { BrokerError } from '@millrace/codec'

export const tooLarge = (bytesMax: number): BrokerError =>
  new BrokerError('ERR_INVALID_BATCH', [`inflated it is larger than ${bytesMax} bytes`])

export const damaged = (codec: string, cause?: unknown): BrokerError =>
  new BrokerError('ERR_INVALID_BATCH', [`its ${codec} data is damaged`], { cause })
