/** One word for a POSIX shell, whatever is in it. The one place where text becomes a part of a command. */
export function quote(word: string): string {
  if (word.includes('\0')) throw new Error('a shell word contains a NUL');
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line of quoted words. */
export function quoteAll(words: readonly string[]): string {
  return words.map(quote).join(' ');
}
