/**
 * A request on its way in. What a message may hold is bounded twice: by its bytes, and by the number
 * of elements in all its arrays together, because an element of three bytes becomes an object of
 * sixty.
 */
import { ByteReader } from '@millrace/codec'
import { REQUEST_ELEMENTS_COUNT_MAX } from './limits.ts'

export class MessageReader extends ByteReader {
  #elementsLeft = REQUEST_ELEMENTS_COUNT_MAX

  takeElements(count: number): void {
    if (count > this.#elementsLeft) {
      this.fail(`its arrays hold more than ${REQUEST_ELEMENTS_COUNT_MAX} elements`)
    }
    this.#elementsLeft -= count
  }
}
