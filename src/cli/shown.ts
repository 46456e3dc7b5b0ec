// Makes text of others fit to be shown.

const control = /\p{Cc}+/gu

/** A control character could change the colours of a terminal, or make two lines of one sentence. */
export const hasControl = (text: string): boolean => text.search(control) !== -1

export const withoutControl = (text: string): string => text.replace(control, " ")

/** The user, the password, the query and the fragment of a URL may be secrets. */
export const withoutSecrets = (url: string): string =>
  url.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, "$1…@").replace(/([?#]).*$/s, "$1…")
