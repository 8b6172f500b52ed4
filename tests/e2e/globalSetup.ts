// What every test file would ask for is found out once: the processes of the test files inherit it.
import { embeddedModel } from './product.ts';

export default function setup(): void {
  embeddedModel();
}
