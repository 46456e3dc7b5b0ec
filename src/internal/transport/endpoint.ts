// The part of a URL that logs, spans and metrics may show: host and port. Its path and query may hold tokens.
import * as Redacted from "effect/Redacted"

export interface Server {
  readonly address: string
  readonly port: number
}

export const unknownServer: Server = { address: "", port: 0 }

export const fromUrl = (url: Redacted.Redacted): Server => {
  const text = Redacted.value(url)
  if (!URL.canParse(text)) return unknownServer
  const { hostname, port, protocol } = new URL(text)
  return { address: hostname, port: port === "" ? (protocol === "wss:" ? 443 : 80) : Number(port) }
}

export const show = (server: Server): string => `${server.address}:${server.port}`
