// The data of messages, as the WHATWG WebSocket takes and gives it.

import * as Predicate from "effect/Predicate"

/** A message as connections take it. */
export type Data = string | Uint8Array

const encoder = new TextEncoder()

const viewOf = (data: ArrayBufferLike | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)

// Of another realm too, such as a sandbox of tests.
const isBuffer = (value: unknown): value is ArrayBuffer => Object.prototype.toString.call(value) === "[object ArrayBuffer]"

/** Whether it can be sent. */
export const isMessage = (data: unknown): boolean =>
  typeof data === "string" || ArrayBuffer.isView(data) || isBuffer(data) || data instanceof Blob

/** The data to send. A Blob has to be read first. */
export const messageOf = (data: string | ArrayBuffer | Blob | ArrayBufferView): Data | Promise<Data> => {
  if (typeof data === "string") return data
  return data instanceof Blob ? data.arrayBuffer().then(viewOf) : viewOf(data)
}

/** The bytes of a message. */
export const sizeOf = (data: string | ArrayBuffer | Blob | ArrayBufferView): number => {
  if (typeof data === "string") return encoder.encode(data).length
  return data instanceof Blob ? data.size : data.byteLength
}

// Only Node, Bun and Deno have it.
const nodeBufferOf = ({ buffer }: Uint8Array): unknown => {
  const NodeBuffer: unknown = Reflect.get(globalThis, "Buffer")
  const from: unknown = Predicate.isFunction(NodeBuffer) ? Reflect.get(NodeBuffer, "from") : undefined
  return Predicate.isFunction(from) ? Reflect.apply(from, NodeBuffer, [buffer]) : undefined
}

/** A binary message as this `binaryType` has it. */
export const bytesOf = (bytes: Uint8Array, binaryType: string): unknown => {
  // A copy: a message may be a view of a larger buffer.
  const own = bytes.slice()
  if (binaryType === "arraybuffer") return own.buffer
  return binaryType === "nodebuffer" ? nodeBufferOf(own) ?? own : new Blob([own])
}
