import { MAX_TAG_LENGTH } from './tags';
import { MAX_URL_LENGTH } from './url';

/** The records that a contact file can become. */
export const CONTACT_TARGETS = ['leads', 'customers'] as const;
export type ContactTarget = (typeof CONTACT_TARGETS)[number];

export type FieldType =
  | 'text'
  | 'email'
  | 'phone'
  | 'date'
  | 'timezone'
  | 'country'
  | 'status'
  | 'tags'
  | 'boolean'
  | 'url'
  | 'user'
  | 'groups';

/** One field that a column can be mapped to. */
export interface TargetField {
  key: string;
  label: string;
  type: FieldType;
  /** In code points; for tags, of each tag. */
  maxLength?: number;
  minLength?: number;
  /** The record cannot be made without it. Fields that stand in for each other are in `REQUIRED`. */
  required?: boolean;
  /** Headers that mean this field, folded: lower case, no accents, single spaces for punctuation. Best ones first. */
  aliases: readonly string[];
}

/** The longest values of the fields, in code points. */
export const LIMITS = {
  leadName: 100,
  leadNameMin: 2,
  fullName: 200,
  namePart: 100,
  source: 50,
  sourceMin: 2,
  company: 200,
  title: 100,
  address: 255,
  city: 100,
  state: 100,
  country: 100,
  zipCode: 20,
  notes: 5000,
  /** Of the JSON, in bytes. */
  metadataBytes: 16 * 1024,
} as const;

/** What `source` says of a lead that was imported and whose row names none. */
export const DEFAULT_IMPORT_SOURCE = 'import';

const words = (text: string): readonly string[] => text.split('|');

const FULL_NAME = words(
  'name|full name|fullname|contact name|customer name|client name|lead name|person name|display name|contact|person|vollstandiger name|' +
    'nom complet|nombre completo|nome completo|nome e cognome|ansprechpartner|first and last name|first last|naam|imie i nazwisko',
);
const FIRST_NAME = words(
  'first name|firstname|first|given name|givenname|forename|fname|f name|vorname|prenom|nombre|nombres|nome|voornaam|fornavn|imie',
);
const LAST_NAME = words(
  'last name|lastname|last|surname|family name|familyname|lname|l name|nachname|familienname|nom de famille|nom|apellido|' +
    'apellidos|cognome|sobrenome|achternaam|etternavn|efternamn|nazwisko',
);
const EMAIL = words(
  'email|e mail|email address|e mail address|emailaddress|mail|mail address|mailadresse|e mail adresse|email adresse|courriel|' +
    'adresse email|adresse e mail|adresse mail|correo|correo electronico|email id|e mail id|posta elettronica|' +
    'indirizzo email|endereco de email|e post|electronic mail',
);
const PHONE = words(
  'phone|phone number|telephone|telephone number|tel|tel no|tel number|phone no|telefon|telefonnummer|telefono|telefone|' +
    'numero de telephone|numero de telefono|contact number|phonenumber|mobile|mobile phone|mobile number|mobile no|mobil|' +
    'mobilnummer|mobiltelefon|mobil telefon|handy|handynummer|cell|cell phone|cellphone|cell number|cellular|celular|movil|' +
    'telefono movil|portable|telephone portable|cellulare|gsm|whatsapp|whatsapp number|home phone|phone home|home telephone|home number|' +
    'tel home|privat|telefon privat|landline|festnetz|work phone|phone work|business phone|office phone|work number|work telephone|' +
    'business number|company phone|tel work|telefon geschaftlich|other phone|alternate phone|alt phone|second phone|secondary phone|telefoon',
);
const COMPANY = words(
  'company|company name|organisation|organization|organisation name|organization name|account|account name|business|' +
    'business name|employer|firm|firma|firmenname|firmenbezeichnung|unternehmen|societe|entreprise|empresa|azienda|bedrijf|companyname|org',
);
const STATUS = words(
  'status|deal stage|stage|lead status|lead stage|customer status|lifecycle stage|pipeline stage|deal status|contact status|' +
    'account status|sales stage|phase|estado del cliente|statut|stato',
);
const TAGS = words('tags|tag|labels|label|keywords|schlagworte|schlagworter|etiquetas|etiquettes|segment|segments');
const DO_NOT_CONTACT = words(
  'do not contact|donotcontact|dnc|do not call|do not email|opt out|opted out|optout|unsubscribed|email opt out|' +
    'nicht kontaktieren|no contactar|ne pas contacter',
);

const ASSIGNEE = words(
  'assigned to|assigned user|assigned agent|assigned|assignee|assignee email|owner|owner email|owner name|owner full name|record owner|' +
    'account owner|deal owner|agent|agent name|agent email|sales agent|rep|rep name|rep email|sales rep|sales representative|sales person|' +
    'salesperson|sales owner|account manager|account executive|relationship manager|case manager|zustandig|zustandiger|' +
    'zustandiger mitarbeiter|betreuer|kundenbetreuer|sachbearbeiter|zugewiesen an|vertriebsmitarbeiter|besitzer|inhaber des datensatzes|' +
    'responsable|responsable commercial|assigne a|attribue a|commercial|proprietaire|asignado a|asignado|propietario|vendedor|agente|' +
    'comercial|responsavel|atribuido a|proprietario|assegnato a|responsabile|toegewezen aan|eigenaar|verantwoordelijke|przypisany do|opiekun',
);
const GROUPS = words(
  'group|groups|group name|group names|contact group|contact groups|group membership|group memberships|gruppe|gruppen|kontaktgruppe|' +
    'groupe|groupes|grupo|grupos|gruppo|gruppi|groep|groepen|grupa|grupy',
);
/** Whose the record is and which groups it is in: not of the record itself, so last. */
const BELONGING: readonly TargetField[] = [
  { key: 'assignee', label: 'Assignee', type: 'user', aliases: ASSIGNEE },
  { key: 'group', label: 'Groups', type: 'groups', aliases: GROUPS },
];

const LEAD_FIELDS: readonly TargetField[] = [
  {
    key: 'name',
    label: 'Name',
    type: 'text',
    maxLength: LIMITS.leadName,
    minLength: LIMITS.leadNameMin,
    required: true,
    aliases: FULL_NAME,
  },
  { key: 'firstName', label: 'First name', type: 'text', maxLength: LIMITS.namePart, aliases: FIRST_NAME },
  { key: 'lastName', label: 'Last name', type: 'text', maxLength: LIMITS.namePart, aliases: LAST_NAME },
  { key: 'email', label: 'E-mail', type: 'email', maxLength: 254, aliases: EMAIL },
  { key: 'phone', label: 'Phone', type: 'phone', aliases: PHONE },
  { key: 'status', label: 'Status', type: 'status', aliases: STATUS },
  {
    key: 'source',
    label: 'Source',
    type: 'text',
    maxLength: LIMITS.source,
    minLength: LIMITS.sourceMin,
    aliases: words(
      'source|lead source|source name|origin|channel|lead origin|campaign|utm source|quelle|herkunft|fuente|origen|' +
        'provenance|how did you hear about us|original source|referral source|traffic source|marketing channel',
    ),
  },
  { key: 'company', label: 'Company', type: 'text', maxLength: LIMITS.company, aliases: COMPANY },
  { key: 'tags', label: 'Tags', type: 'tags', maxLength: MAX_TAG_LENGTH, aliases: TAGS },
  { key: 'doNotContact', label: 'Do not contact', type: 'boolean', aliases: DO_NOT_CONTACT },
  {
    key: 'imageUrl',
    label: 'Image address',
    type: 'url',
    maxLength: MAX_URL_LENGTH,
    aliases: words('image url|image|photo|photo url|picture|picture url|avatar|avatar url|profile picture|bild|foto'),
  },
  ...BELONGING,
];

const CUSTOMER_FIELDS: readonly TargetField[] = [
  { key: 'fullName', label: 'Full name', type: 'text', maxLength: LIMITS.fullName, required: true, aliases: FULL_NAME },
  { key: 'firstName', label: 'First name', type: 'text', maxLength: LIMITS.namePart, aliases: FIRST_NAME },
  { key: 'lastName', label: 'Last name', type: 'text', maxLength: LIMITS.namePart, aliases: LAST_NAME },
  { key: 'email', label: 'E-mail', type: 'email', maxLength: 254, aliases: EMAIL },
  { key: 'phone', label: 'Phone', type: 'phone', aliases: PHONE },
  {
    key: 'countryCode',
    label: 'Country code',
    type: 'country',
    aliases: words(
      'country code|countrycode|country iso|iso country|iso country code|landercode|landerkurzel|code pays|codigo pais',
    ),
  },
  {
    key: 'dateOfBirth',
    label: 'Date of birth',
    type: 'date',
    aliases: words(
      'date of birth|birthday|dob|d o b|birth date|birthdate|born|geburtsdatum|geburtstag|geboren|date de naissance|' +
        'fecha de nacimiento|nacimiento|data di nascita|data de nascimento|geboortedatum',
    ),
  },
  {
    key: 'timezone',
    label: 'Time zone',
    type: 'timezone',
    aliases: words('time zone|timezone|tz|zeitzone|fuseau horaire|zona horaria|fuso orario'),
  },
  { key: 'company', label: 'Company', type: 'text', maxLength: LIMITS.company, aliases: COMPANY },
  {
    key: 'title',
    label: 'Job title',
    type: 'text',
    maxLength: LIMITS.title,
    aliases: words(
      'job title|title|jobtitle|position|job|role|job role|occupation|designation|beruf|stelle|funktion|fonction|cargo|puesto',
    ),
  },
  {
    key: 'address',
    label: 'Address',
    type: 'text',
    maxLength: LIMITS.address,
    aliases: words(
      'address|street address|street|address line|address line 1|mailing address|postal address|mailing street|billing street|' +
        'billing address|home address|street name|strasse|anschrift|adresse|strasse und hausnummer|strasse hausnummer|rue|direccion|calle|' +
        'indirizzo|via|endereco|adres|addr|street line',
    ),
  },
  {
    key: 'city',
    label: 'City',
    type: 'text',
    maxLength: LIMITS.city,
    aliases: words(
      'city|town|city town|town city|locality|suburb|stadt|ort|wohnort|ville|ciudad|citta|cidade|plaats|municipality|city name',
    ),
  },
  {
    key: 'state',
    label: 'State',
    type: 'text',
    maxLength: LIMITS.state,
    aliases: words(
      'state|province|state province|state region|region|state code|province state|bundesland|kanton|provincia|estado|departement|' +
        'prefecture|state or province|stateprovince|state name|regione',
    ),
  },
  {
    key: 'country',
    label: 'Country',
    type: 'text',
    maxLength: LIMITS.country,
    aliases: words('country|country name|nation|country region|land|staat|pays|pais|paese|countryname'),
  },
  {
    key: 'zipCode',
    label: 'ZIP code',
    type: 'text',
    maxLength: LIMITS.zipCode,
    aliases: words(
      'zip code|zip|zipcode|postal code|postalcode|postcode|post code|zip postal code|zip postcode|postal|plz|postleitzahl|code postal|' +
        'codigo postal|cp|cap|cep|pin code|pincode|eircode|postnummer|zip postal',
    ),
  },
  {
    key: 'notes',
    label: 'Notes',
    type: 'text',
    maxLength: LIMITS.notes,
    aliases: words(
      'notes|note|comment|comments|remark|remarks|description|memo|notiz|notizen|bemerkung|bemerkungen|kommentar|notas|commentaire|commentaires',
    ),
  },
  { key: 'status', label: 'Status', type: 'status', aliases: STATUS },
  { key: 'tags', label: 'Tags', type: 'tags', maxLength: MAX_TAG_LENGTH, aliases: TAGS },
  { key: 'doNotContact', label: 'Do not contact', type: 'boolean', aliases: DO_NOT_CONTACT },
  ...BELONGING,
];

/** The fields of both targets: what a mapping may name, and what a form shows. */
export const TARGET_FIELDS: Readonly<Record<ContactTarget, readonly TargetField[]>> = {
  leads: LEAD_FIELDS,
  customers: CUSTOMER_FIELDS,
};

/**
 * What a complete mapping needs: of each entry at least one field. `says` is how the entry is named when none is mapped.
 */
export const REQUIRED: Readonly<Record<ContactTarget, readonly { says: string; anyOf: readonly string[] }[]>> = {
  leads: [
    { says: 'name', anyOf: ['name', 'firstName', 'lastName'] },
    { says: 'email|phone', anyOf: ['email', 'phone'] },
  ],
  customers: [{ says: 'fullName', anyOf: ['fullName', 'firstName', 'lastName'] }],
};

/** A column's place in the row, counted from 0, and the field that it becomes; null leaves the column out. */
export interface ColumnTarget {
  column: number;
  target: string | null;
}
