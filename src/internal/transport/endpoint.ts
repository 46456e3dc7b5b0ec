// The part of a URL that logs, spans and metrics may show: host and port. Its path and query may hold tokens.
import * as Redacted from "effect/Redacted"

export interface Server {
  readonly address: string
  readonly port: number
}

/** Stands for the server while no URL is known, or when the text is not a URL. */
export const unknownServer: Server = { address: "", port: 0 }

export const isKnown = ({ address }: Server): boolean => address !== ""

export const fromUrl = (url: Redacted.Redacted): Server => {
  const text = Redacted.value(url)
  if (!URL.canParse(text)) return unknownServer
  const { hostname, port, protocol } = new URL(text)
  return { address: hostname, port: port === "" ? (protocol === "wss:" ? 443 : 80) : Number(port) }
}

/** Shows `host:port`, or `""` for an unknown server. */
export const show = (server: Server): string => isKnown(server) ? `${server.address}:${server.port}` : ""

/** Whether the server is on this machine, so that no network is needed (RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). */
export const isLoopback = ({ address }: Server): boolean => /^(?:(?:.*\.)?localhost|127(?:\.\d+){3}|\[::1\])$/.test(address)
