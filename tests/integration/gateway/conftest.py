from support.services.gateways import gateway, gateway_settings

__all__ = ["gateway", "gateway_settings"]
