// Connects through a proxy, with the packages of which only the users of a proxy need one.
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { HttpsProxyAgent } from "https-proxy-agent"
import type { Agent, ClientRequest } from "node:http"
import type { Socket } from "node:net"
import { isIP } from "node:net"
import { checkServerIdentity } from "node:tls"
import type { PeerMissing } from "../optionalPeer.ts"
import * as OptionalPeer from "../optionalPeer.ts"
import { ofError, ofStatus } from "./proxyFailure.ts"
import type { Proxy } from "./proxyUrl.ts"

/** The options of our own connection to the proxy. */
export interface Hop {
  readonly localAddress?: string
  readonly family?: 4 | 6
  /** For a proxy whose URL begins with https://. */
  readonly ca?: Array<string | Buffer>
  readonly rejectUnauthorized?: boolean
}

/** Connects one dial. */
export interface Tunnel {
  readonly agent: Agent
  /** Drops a connection that is not yet through the proxy. */
  readonly abort: () => void
}

export type MakeTunnel = (proxy: Proxy, isSecure: boolean) => Tunnel

// The agents of both packages have the same parent.
type ProxyAgent = Agent & Pick<HttpsProxyAgent<string>, "connect" | "isSecureEndpoint">
type ConnectOptions = Parameters<ProxyAgent["connect"]>[1]

// What fails before the proxy is through is the fault of the proxy; what fails later is that of the server.
const through = async (connecting: Promise<Socket>, request: ClientRequest, { host }: Proxy, signal: AbortSignal) => {
  let status = 200
  request.once("proxyConnect", ({ statusCode }: { readonly statusCode: number }) => {
    status = statusCode
  })
  let socket: Socket
  try {
    socket = await connecting
  } catch (error) {
    throw ofError(error, host)
  }
  if (status === 200 && !signal.aborted) return socket
  socket.destroy()
  throw ofStatus(status)
}

// Node checks the certificate of a server that is dialled by its address against that address. The packages drop it, and Node
// would look for "localhost" in the certificate.
const checkingAddress = (options: ConnectOptions): ConnectOptions => {
  const { host = "" } = options
  return options.secureEndpoint && (options.servername ?? "") === "" && isIP(host) !== 0
    ? { ...options, checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate) }
    : options
}

// Bun's own `ws` connects by itself through the `proxy` of an agent, and quotes URLs in its errors. So the agent that it gets
// has none, and asks another one to connect.
const tunnelOf = (make: () => ProxyAgent, proxy: Proxy, isSecure: boolean, controller: AbortController): Tunnel => {
  let isPending = true
  const [agent, connecting] = [make(), make()]
  Reflect.deleteProperty(agent, "proxy")
  agent.connect = (request, options) =>
    through(connecting.connect(request, checkingAddress(options)), request, proxy, controller.signal).finally(() => {
      isPending = false
    })
  // The package would look for the module `node:https` in a stack trace.
  agent.isSecureEndpoint = () => isSecure
  return {
    agent,
    abort: () => {
      if (isPending) controller.abort()
    }
  }
}

const withoutUser = (url: URL): URL => {
  const plain = new URL(url)
  plain.username = ""
  plain.password = ""
  return plain
}

const credentialsOf = ({ password, username }: URL): Record<string, string> => {
  if (username === "" && password === "") return {}
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { "Proxy-Authorization": `Basic ${Buffer.from(credentials).toString("base64")}` }
}

// A bundler that does not find the package only warns, because the import is caught.
const absent = (error: Error) => Promise.reject(error)

// A bundler may give all exports of a CommonJS module as its default export only.
const exportsOf = <A extends object>(module: A & { readonly default: A }, name: keyof A): A =>
  name in module ? module : module.default

const part = "A connection through such a proxy"

const loadHttp = (hop: Hop): Effect.Effect<MakeTunnel, PeerMissing> =>
  Effect.map(
    OptionalPeer.load(part, "https-proxy-agent", () => import("https-proxy-agent").catch(absent)),
    (module) => (proxy, isSecure) => {
      const { HttpsProxyAgent } = exportsOf(module, "HttpsProxyAgent")
      const controller = new AbortController()
      const url = Redacted.value(proxy.url)
      // Without a user: the package prints the URL for debugging.
      const make = () =>
        new HttpsProxyAgent(withoutUser(url), { ...hop, headers: credentialsOf(url), signal: controller.signal })
      return tunnelOf(make, proxy, isSecure, controller)
    }
  )

const loadSocks = ({ family, localAddress }: Hop): Effect.Effect<MakeTunnel, PeerMissing> =>
  Effect.map(
    OptionalPeer.load(part, "socks-proxy-agent", () => import("socks-proxy-agent").catch(absent)),
    (module) => (proxy, isSecure) => {
      const { SocksProxyAgent } = exportsOf(module, "SocksProxyAgent")
      const socketOptions = {
        ...(family === undefined ? {} : { family }),
        ...(localAddress === undefined ? {} : { localAddress })
      }
      // The package drops the connection by itself if the proxy has not answered after 30 seconds.
      const make = () => new SocksProxyAgent(Redacted.value(proxy.url), { socketOptions })
      return tunnelOf(make, proxy, isSecure, new AbortController())
    }
  )

const loaders = { http: loadHttp, socks: loadSocks }

/** Loads the packages that these proxies need. */
export const load = (proxies: ReadonlyArray<Proxy>, hop: Hop): Effect.Effect<MakeTunnel, PeerMissing> =>
  Effect.gen(function*() {
    const loaded = new Map<Proxy["protocol"], MakeTunnel>()
    for (const { protocol } of proxies) {
      if (!loaded.has(protocol)) loaded.set(protocol, yield* loaders[protocol](hop))
    }
    return (proxy, isSecure) => {
      const make = loaded.get(proxy.protocol)
      if (make === undefined) throw new Error("the proxy is none of those that were loaded")
      return make(proxy, isSecure)
    }
  })
