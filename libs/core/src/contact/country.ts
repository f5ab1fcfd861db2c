import { quote, refuse, type Checked } from './result';
import { foldWords, trimText } from './text';

/** ISO 3166-1: alpha-2 and alpha-3 of every country in one word; and Kosovo, by the code in common use. */
const CODES =
  'ADAND AEARE AFAFG AGATG AIAIA ALALB AMARM AOAGO AQATA ARARG ASASM ATAUT AUAUS AWABW AXALA AZAZE BABIH BBBRB ' +
  'BDBGD BEBEL BFBFA BGBGR BHBHR BIBDI BJBEN BLBLM BMBMU BNBRN BOBOL BQBES BRBRA BSBHS BTBTN BVBVT BWBWA BYBLR ' +
  'BZBLZ CACAN CCCCK CDCOD CFCAF CGCOG CHCHE CICIV CKCOK CLCHL CMCMR CNCHN COCOL CRCRI CUCUB CVCPV CWCUW CXCXR ' +
  'CYCYP CZCZE DEDEU DJDJI DKDNK DMDMA DODOM DZDZA ECECU EEEST EGEGY EHESH ERERI ESESP ETETH FIFIN FJFJI FKFLK ' +
  'FMFSM FOFRO FRFRA GAGAB GBGBR GDGRD GEGEO GFGUF GGGGY GHGHA GIGIB GLGRL GMGMB GNGIN GPGLP GQGNQ GRGRC GSSGS ' +
  'GTGTM GUGUM GWGNB GYGUY HKHKG HMHMD HNHND HRHRV HTHTI HUHUN IDIDN IEIRL ILISR IMIMN ININD IOIOT IQIRQ IRIRN ' +
  'ISISL ITITA JEJEY JMJAM JOJOR JPJPN KEKEN KGKGZ KHKHM KIKIR KMCOM KNKNA KPPRK KRKOR KWKWT KYCYM KZKAZ LALAO ' +
  'LBLBN LCLCA LILIE LKLKA LRLBR LSLSO LTLTU LULUX LVLVA LYLBY MAMAR MCMCO MDMDA MEMNE MFMAF MGMDG MHMHL MKMKD ' +
  'MLMLI MMMMR MNMNG MOMAC MPMNP MQMTQ MRMRT MSMSR MTMLT MUMUS MVMDV MWMWI MXMEX MYMYS MZMOZ NANAM NCNCL NENER ' +
  'NFNFK NGNGA NINIC NLNLD NONOR NPNPL NRNRU NUNIU NZNZL OMOMN PAPAN PEPER PFPYF PGPNG PHPHL PKPAK PLPOL PMSPM ' +
  'PNPCN PRPRI PSPSE PTPRT PWPLW PYPRY QAQAT REREU ROROU RSSRB RURUS RWRWA SASAU SBSLB SCSYC SDSDN SESWE SGSGP ' +
  'SHSHN SISVN SJSJM SKSVK SLSLE SMSMR SNSEN SOSOM SRSUR SSSSD STSTP SVSLV SXSXM SYSYR SZSWZ TCTCA TDTCD TFATF ' +
  'TGTGO THTHA TJTJK TKTKL TLTLS TMTKM TNTUN TOTON TRTUR TTTTO TVTUV TWTWN TZTZA UAUKR UGUGA UMUMI USUSA UYURY ' +
  'UZUZB VAVAT VCVCT VEVEN VGVGB VIVIR VNVNM VUVUT WFWLF WSWSM YEYEM YTMYT ZAZAF ZMZMB ZWZWE XKXKX';

/** Names in use beside the English ones that Intl gives. */
const ALIASES: Record<string, string> = {
  AE: 'UAE|Emirates',
  AT: 'Österreich|Autriche',
  BE: 'België|Belgique|Belgien',
  BO: 'Plurinational State of Bolivia',
  BR: 'Brasil',
  BN: 'Brunei Darussalam',
  CD: 'DRC|DR Congo|Democratic Republic of the Congo|Congo Kinshasa',
  CG: 'Republic of the Congo|Congo',
  CH: 'Schweiz|Suisse|Svizzera',
  CI: 'Ivory Coast|Cote d Ivoire',
  CN: "People's Republic of China|PRC|PR China|Mainland China",
  CV: 'Cabo Verde',
  CZ: 'Czech Republic|Czechia',
  DE: 'Deutschland|Allemagne|Alemania|Federal Republic of Germany',
  DK: 'Danmark',
  ES: 'España|Espagne|Spanien',
  FI: 'Suomi',
  FK: 'Malvinas',
  FM: 'Micronesia',
  FR: 'Frankreich|Francia',
  GB: 'UK|U.K.|Great Britain|Britain|England|Scotland|Wales|Northern Ireland|United Kingdom of Great Britain and Northern Ireland',
  GM: 'The Gambia',
  BS: 'The Bahamas',
  HK: 'Hong Kong',
  HU: 'Magyarország',
  IE: 'Republic of Ireland|Eire',
  IR: 'Islamic Republic of Iran',
  IT: 'Italia|Italien|Italie',
  JP: 'Nippon',
  KP: "North Korea|Democratic People's Republic of Korea|DPRK",
  KR: 'South Korea|Korea|Republic of Korea',
  LA: "Lao People's Democratic Republic|Lao PDR",
  MD: 'Republic of Moldova',
  MK: 'Macedonia|FYROM',
  MM: 'Burma|Myanmar',
  MO: 'Macau|Macao',
  MX: 'México',
  NL: 'Holland|The Netherlands|Nederland|Niederlande|Pays-Bas',
  NO: 'Norge',
  PL: 'Polska|Polen',
  PS: 'Palestine|State of Palestine',
  PT: 'Portugal',
  RU: 'Russian Federation|Россия',
  SE: 'Sverige|Schweden',
  SY: 'Syrian Arab Republic',
  SZ: 'Swaziland',
  TL: 'East Timor',
  TR: 'Turkey|Türkiye|Turkiye',
  TW: 'Taiwan, Province of China|Republic of China',
  TZ: 'United Republic of Tanzania',
  US: 'USA|U.S.|U.S.A.|United States of America|America|the United States|Estados Unidos|Vereinigte Staaten|États-Unis',
  VA: 'Holy See|Vatican',
  VE: 'Bolivarian Republic of Venezuela',
  VG: 'Virgin Islands British',
  VI: 'Virgin Islands US|US Virgin Islands',
  VN: 'Viet Nam',
};

let known: Map<string, string> | undefined;

function knownCountries(): Map<string, string> {
  if (known) return known;
  const countries = new Map<string, string>();
  const names = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' });
  const codes = CODES.split(' ');
  for (const code of codes) {
    const country = code.slice(0, 2);
    const name = names.of(country);
    if (name) {
      countries.set(foldWords(name), country);
      countries.set(foldWords(name.replace(/&/g, ' and ').replace(/\bSt\. /g, 'Saint ')), country);
    }
  }
  for (const [country, aliases] of Object.entries(ALIASES)) {
    for (const alias of aliases.split('|')) countries.set(foldWords(alias), country);
  }
  for (const code of codes) {
    countries.set(code.slice(2).toLowerCase(), code.slice(0, 2));
    countries.set(code.slice(0, 2).toLowerCase(), code.slice(0, 2));
  }
  known = countries;
  return countries;
}

/** The ISO 3166 alpha-2 code of a country given by its alpha-2 or alpha-3 code, its English name or a usual other one. */
export function normalizeCountry(raw: string): Checked<string> {
  const text = trimText(raw);
  if (text.length <= 100) {
    const countries = knownCountries();
    const value = countries.get(text.toLowerCase()) ?? countries.get(foldWords(text));
    if (value !== undefined) return { value };
  }
  return refuse('country-invalid', `${quote(text)} is not a country`);
}
