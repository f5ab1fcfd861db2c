import { CanActivate, ExecutionContext, Injectable, OnModuleInit } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { FastifyRequest } from 'fastify';
import { badRequest, forbidden, unauthorized } from '@muster/core/errors';
import { requireScope } from '@muster/core/principal';
import { ACCESS, AccessRule, LIMITED, SignedInRequest } from '@muster/platform/http/access';
import { addressKey, BudgetName, BUDGETS, callerKey, RateLimits } from '@muster/platform/http/rate-limits';
import { AuthService } from './auth.service';

const BEARER = /^Bearer +([\w.~+/-]+=*) *$/i;
/** Where Nest keeps the method of a route's handler. */
const ROUTE_METHOD = 'method';

/** Lets in whom the route's rule names, as often as the budgets allow. Routes without a rule do not boot, and would let nobody in. */
@Injectable()
export class AccessGuard implements CanActivate, OnModuleInit {
  constructor(
    private readonly auth: AuthService,
    private readonly reflector: Reflector,
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly limits: RateLimits,
  ) {}

  /** @throws naming every route that does not say who may enter */
  onModuleInit(): void {
    const open = this.discovery.getControllers().flatMap(({ metatype, name }) => {
      const { prototype } = metatype as { prototype: Record<string, object> };
      return this.scanner
        .getAllMethodNames(prototype)
        .filter((method) => Reflect.hasMetadata(ROUTE_METHOD, prototype[method]))
        .filter((method) => !this.ruleOf(prototype[method], metatype as object))
        .map((method) => `${name}.${method}`);
    });
    if (open.length > 0) throw new Error(`Routes that do not say who may enter (@Allow, @Public): ${open.join(', ')}.`);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const rule = this.ruleOf(context.getHandler(), context.getClass());
    if (!rule) throw forbidden('This route lets nobody in.');
    const request = context.switchToHttp().getRequest<FastifyRequest & SignedInRequest>();
    const budget = this.budgetOf(context);
    if (budget && BUDGETS[budget].per === 'address') await this.limits.take(budget, addressKey(request.ip));
    if (rule.kind === 'public') return true;
    const { authorization } = request.headers;
    if (!authorization) throw unauthorized('unauthenticated', 'Sign in first.');
    // Node keeps the first of several and drops the others; a proxy in front may have judged by another one.
    if (request.raw.headersDistinct.authorization!.length > 1) {
      throw badRequest('authorization-repeated', 'The request has more than one Authorization header.');
    }
    const token = BEARER.exec(authorization)?.[1];
    if (!token) throw unauthorized('token-invalid', 'The Authorization header holds no bearer token.');
    const principal = await this.auth.authenticate(token);
    await this.limits.take('caller', callerKey(principal));
    requireScope(principal, rule.permission);
    if (budget && BUDGETS[budget].per === 'caller') await this.limits.take(budget, callerKey(principal));
    request.principal = principal;
    return true;
  }

  private budgetOf(context: ExecutionContext): BudgetName | undefined {
    return this.reflector.getAllAndOverride<BudgetName | undefined>(LIMITED, [
      context.getHandler(),
      context.getClass(),
    ]);
  }

  private ruleOf(handler: object, controller: object): AccessRule | undefined {
    return this.reflector.getAllAndOverride<AccessRule | undefined>(ACCESS, [handler, controller] as never);
  }
}
