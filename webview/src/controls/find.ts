/** The search behind `/`: tokens by their text, layers by their number. */

export type Found = { kind: 'layer'; layer: number } | { kind: 'token'; position: number };

/** Positions whose token holds the text; small letters match capital ones. */
export function findTokens(texts: readonly string[], wanted: string): number[] {
  if (wanted === '') return [];
  const plain = wanted.toLowerCase().replaceAll('·', ' ');
  return texts.flatMap((text, position) => (text.toLowerCase().includes(plain) ? [position] : []));
}

/** "23", "L23" and "layer 23" name a layer; null if there is no such layer. */
export function findLayer(nLayers: number, wanted: string): number | null {
  const match = /^\s*(?:l|layer)?\s*(\d{1,5})\s*$/i.exec(wanted);
  const layer = match ? Number(match[1]) : NaN;
  return layer < nLayers ? layer : null;
}

/** The layer first: a number is rarely looked for in the text. */
export function find(texts: readonly string[], nLayers: number, wanted: string): Found[] {
  const layer = findLayer(nLayers, wanted);
  const tokens = findTokens(texts, wanted).map((position): Found => ({ kind: 'token', position }));
  return layer === null ? tokens : [{ kind: 'layer', layer }, ...tokens];
}
