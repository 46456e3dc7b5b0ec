// Reads NO_PROXY: the hosts that are dialled without a proxy. There is no standard; this follows curl and Go.
import { BlockList, isIP, isIPv6 } from "node:net"
import { withoutBrackets } from "./proxyUrl.ts"

const family = (address: string) => isIPv6(address) ? "ipv6" : "ipv4"

interface Entry {
  readonly host: string
  readonly port: number | undefined
}

// "host", "host:port", "[address]:port", an address without a port, or a block such as 10.0.0.0/8.
const parse = (text: string): Entry => {
  if (isIP(text) !== 0) return { host: text, port: undefined }
  const port = /:(\d+)$/.exec(text)?.[1]
  const host = port === undefined ? text : text.slice(0, -port.length - 1)
  return { host: withoutBrackets(host), port: port === undefined ? undefined : Number(port) }
}

const isInBlock = (host: string, block: string): boolean => {
  const [network = "", bits = family(network) === "ipv6" ? "128" : "32"] = block.split("/")
  const most = isIPv6(network) ? 128 : 32
  if (isIP(network) === 0 || !/^\d+$/.test(bits) || Number(bits) > most) return false
  const list = new BlockList()
  list.addSubnet(network, Number(bits), family(network))
  return list.check(host, family(host))
}

const isDomain = (host: string, domain: string): boolean => {
  const name = domain.replace(/^\*?\./, "")
  return name !== "" && (host === name || host.endsWith(`.${name}`))
}

/** Tells whether `noProxy` names the host: by its name, a domain above it, its address, a block of addresses, or `*`. */
export const isExempt = (noProxy: string, hostname: string, port: number): boolean => {
  const host = withoutBrackets(hostname.toLowerCase()).replace(/\.$/, "")
  return noProxy.toLowerCase().split(/[\s,]+/).some((text) => {
    if (text === "*") return true
    const entry = parse(text)
    if (entry.port !== undefined && entry.port !== port) return false
    return isIP(host) === 0 ? isDomain(host, entry.host) : isInBlock(host, entry.host)
  })
}
