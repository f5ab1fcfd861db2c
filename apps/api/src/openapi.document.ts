import { INestApplication } from '@nestjs/common';
import { DocumentBuilder, OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

/** The OpenAPI document of the whole API, made from the controllers and DTOs. */
export function createDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Muster')
    .setDescription(
      'Lists of people: leads and customers that arrive as large, dirty files. Every error is `application/problem+json`.',
    )
    .setVersion('1')
    .addBearerAuth()
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
  for (const { post } of Object.values(document.paths)) {
    if (post) post.parameters = [...(post.parameters ?? []), IDEMPOTENCY_KEY];
  }
  return document;
}

/** A header of every POST. */
const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header' as const,
  required: false,
  description:
    'Makes the request safe to repeat. For 24 hours the same key and body get the first answer again, with `Idempotency-Replayed: true`; ' +
    'another body is 422 `idempotency-key-reused`. While the first request runs: 409 `idempotency-in-progress`. Should its answer be ' +
    'lost after it took effect: 409 `idempotency-answer-lost`. Use a random value, such as a UUID, for each thing you want done.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};
