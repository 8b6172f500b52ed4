import { AUTO_MAP, type Device, type Dtype } from '../../shared/protocol';
import { checked } from './quickPick';
import { plainLabel, sizeText } from '../words';

/** A line of the list of devices or number formats. */
export interface SettingItem {
  label: string;
  description: string;
  value: string;
}

/** The places to compute; a set one that the backend does not list is kept in sight. */
export function deviceItems(devices: readonly Device[], chosen: string): SettingItem[] {
  const listed = devices.map(({ id, name, memoryBytes }) => ({
    value: id,
    description: [plainLabel(name), sizeText(memoryBytes)].filter(Boolean).join(' · '),
  }));
  const auto = { value: 'auto', description: 'a GPU if there is one, otherwise the CPU' };
  const spread = { value: AUTO_MAP, description: 'one model over all GPUs, main memory and the disk' };
  const places = listed.length > 0 ? listed : [{ value: 'cpu', description: '' }];
  const known = [auto, ...places, ...(places.length > 1 ? [spread] : [])];
  const isKnown = known.some(({ value }) => value === chosen);
  const all = isKnown ? known : [...known, { value: chosen, description: 'set now' }];
  return all.map(({ value, description }) => ({ label: checked(value === chosen, value), description, value }));
}

const DTYPE_WORDS: Record<Dtype, string> = {
  auto: 'float32 on a CPU, the model’s own format on a GPU',
  float32: 'most exact, most memory',
  bfloat16: 'half the memory',
  float16: 'half the memory; overflows in some models',
};

/** The number formats a model can be loaded in. */
export function dtypeItems(dtypes: readonly Dtype[], chosen: Dtype): SettingItem[] {
  return dtypes.map((value) => ({
    label: checked(value === chosen, value),
    description: DTYPE_WORDS[value],
    value,
  }));
}
