// Makes text of others fit to be shown.

const control = /\p{Cc}+/gu

/** A control character could change the colours of a terminal, or make two lines of one sentence. */
export const hasControl = (text: string): boolean => text.search(control) !== -1

export const withoutControl = (text: string): string => text.replace(control, " ")

/** Shows the scheme, the host and the port of a URL. All else may be secret. */
export const withoutSecrets = (url: string): string => {
  const [, scheme = "", authority = "", rest = ""] = /^([a-z][a-z\d+.-]*:\/+)?([^/?#]*)(.*)$/is.exec(url.trim()) ?? []
  const host = authority.slice(authority.lastIndexOf("@") + 1)
  // After an "@" further on, what looks like the host may be the user and the password.
  const isHost = !rest.includes("@") && /^(?:\[[\da-f:.]+\]|[\p{L}\p{N}._-]+)(?::\d{1,5})?$/iu.test(host)
  const user = authority.includes("@") ? "…@" : ""
  if (!isHost) return `${scheme}…`
  return `${scheme}${user}${host}${rest === "" || rest === "/" ? rest : "/…"}`
}
