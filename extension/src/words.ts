import { DEFAULT_MODEL } from '../shared/protocol';
import { lastPart, shortModel } from '../shared/modelName';

/** Text from elsewhere as part of a label, where `$(…)` would be an icon. */
export function plainLabel(text: string): string {
  return text.replaceAll('$(', '$\u200b(');
}

/** A model's name in a label, short; of none named, the one that comes with the backend. */
export function modelName(source: string): string {
  return plainLabel(shortModel(source || DEFAULT_MODEL));
}

/** A model's name in a sentence, whole. */
export function modelInWords(source: string): string {
  return plainLabel(lastPart(source || DEFAULT_MODEL));
}

/** A size on disk or in memory; empty if unknown. */
export function sizeText(bytes: number): string {
  if (!(bytes > 0)) return '';
  return bytes < 1e9 ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
