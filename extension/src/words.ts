/** Text from elsewhere as part of a label, where `$(…)` would be an icon. */
export function plainLabel(text: string): string {
  return text.replaceAll('$(', '$\u200b(');
}

/** A size on disk or in memory; empty if unknown. */
export function sizeText(bytes: number): string {
  if (!(bytes > 0)) return '';
  return bytes < 1e9 ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
