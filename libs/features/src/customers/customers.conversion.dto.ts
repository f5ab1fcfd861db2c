import { Grouped } from '../contacts/contacts.service';
import { CustomerView, toCustomerView } from './customers.dto';
import { Customer } from './customers.entity';

export class ConvertedCustomerView extends CustomerView {
  /** Custom fields of the lead whose values the customer does not have: it has no such field, or another value. */
  notCarried: string[];
}

export const toConvertedView = (customer: Grouped<Customer>, notCarried: string[]): ConvertedCustomerView => ({
  ...toCustomerView(customer),
  notCarried,
});
