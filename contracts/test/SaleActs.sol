// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ICashToken} from "../src/interfaces/ICashToken.sol";
import {PrimarySale, Purchase, SaleTerms} from "../src/PrimarySale.sol";
import {World} from "./World.sol";

/// @notice Three buyers, a manager and a thief of signatures: purchases that must be made, bounded to what is allowed, so
///         that none may revert; and purchases that must not be, counted when they are.
contract SaleActs is World {
    uint256 private constant SUPPLY = 1_000_000;
    uint128 private constant LOT = 10;
    uint128 private constant PER_BUYER = 30_000;

    PrimarySale public sale;
    address public seller;
    uint256 public breaches;

    /// @notice What the sales must have moved by now: base units, and USDC micros.
    uint256 public soldInAll;
    uint256 public paidInAll;
    uint256 public soldNow;

    mapping(uint256 => uint256) public boughtNow; // by buyer, in the present sale
    uint256[3] private _keys = [uint256(0xC2), 0xC3, 0xC4];
    uint256 private _nonce;
    uint256 private _startedWith;
    Purchase private _last;
    bytes private _lastSignature;

    constructor() {
        buildWorld();
        sale = new PrimarySale(ICashToken(address(usdc)), OWNER, CHANGE_DELAY);
        vm.prank(OWNER);
        sale.appoint("operator", OPERATOR);
        seller = newVerified(0xC1);
        token.mint(seller, SUPPLY);
        vm.prank(seller);
        token.approve(address(sale), SUPPLY);
        for (uint256 i = 0; i < 3; ++i) {
            address wallet = newVerified(_keys[i]);
            usdc.mint(wallet, 1e15);
            vm.prank(wallet);
            usdc.approve(address(sale), type(uint256).max);
        }
        _startedWith = usdc.balanceOf(seller);
        _open(7_000_001, 50_000);
    }

    function buy(uint256 who, uint256 lots) external {
        SaleTerms memory terms = sale.saleOf(address(token)).terms;
        who %= 3;
        uint256 left = PER_BUYER - boughtNow[who];
        uint256 all = terms.qtyMax - soldNow;
        if (all < left) left = all;
        if (left < LOT) return;
        uint256 qty = bound(lots, 1, left / LOT) * LOT;
        uint256 cost = (qty / LOT) * terms.priceUsdcMicros;
        _sign(who, qty, cost);
        sale.buy(_last, _lastSignature);
        boughtNow[who] += qty;
        soldNow += qty;
        soldInAll += qty;
        paidInAll += cost;
    }

    /// @dev The last purchase once more, as it was or with one field changed.
    function replay(uint256 seed) external {
        if (_lastSignature.length == 0) return;
        Purchase memory purchase = _last;
        if (seed % 4 == 1) purchase.nonce = ++_nonce;
        if (seed % 4 == 2) purchase.qty += LOT;
        if (seed % 4 == 3) purchase.buyer = vm.addr(_keys[(seed >> 8) % 3]);
        _mustFail(purchase, _lastSignature);
    }

    function buyTooMuch(uint256 who, uint256 more) external {
        SaleTerms memory terms = sale.saleOf(address(token)).terms;
        who %= 3;
        uint256 left = PER_BUYER - boughtNow[who];
        if (terms.qtyMax - soldNow < left) left = terms.qtyMax - soldNow;
        uint256 qty = (left / LOT + 1 + more % 1_000) * LOT;
        _sign(who, qty, type(uint128).max);
        _mustFail(_last, _lastSignature);
        delete _lastSignature; // it may be good in the next sale
    }

    function buyTooCheap(uint256 who, uint256 lots) external {
        uint256 qty = bound(lots, 1, 10) * LOT;
        _sign(who % 3, qty, (qty / LOT) * sale.saleOf(address(token)).terms.priceUsdcMicros - 1);
        _mustFail(_last, _lastSignature);
        delete _lastSignature;
    }

    function closeAndOpen(uint256 seed) external {
        if (seed % 4 > 0) return;
        vm.prank(OPERATOR);
        sale.close(address(token));
        _sign(0, LOT, type(uint128).max);
        _mustFail(_last, _lastSignature);
        delete _lastSignature;
        _open(uint128(bound(seed >> 8, 1, 1e9)), uint128(bound(seed >> 64, LOT, 50_000)));
        soldNow = 0;
        for (uint256 i = 0; i < 3; ++i) boughtNow[i] = 0;
    }

    /// @return tokens Base units that the buyers have, by what they got of the seller.
    function moved() external view returns (uint256 tokens, uint256 cash) {
        for (uint256 i = 0; i < 3; ++i) tokens += token.balanceOf(vm.addr(_keys[i]));
        cash = usdc.balanceOf(seller) - _startedWith;
    }

    function held() external view returns (uint256) {
        return token.balanceOf(address(sale)) + usdc.balanceOf(address(sale));
    }

    function unsold() external view returns (uint256) {
        return token.balanceOf(seller);
    }

    function supply() external pure returns (uint256) {
        return SUPPLY;
    }

    function counted() external view returns (uint256) {
        return sale.saleOf(address(token)).sold;
    }

    function _open(uint128 price, uint128 qtyMax) private {
        uint64 now_ = uint64(block.timestamp);
        vm.prank(OPERATOR);
        sale.open(address(token), SaleTerms(seller, price, LOT, qtyMax, PER_BUYER, now_, now_ + 3650 days));
    }

    function _sign(uint256 who, uint256 qty, uint256 usdcMax) private {
        uint256 key = _keys[who];
        _last = Purchase(vm.addr(key), address(token), qty, usdcMax, ++_nonce, block.timestamp + 1 hours);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, sale.digestOf(_last));
        _lastSignature = abi.encodePacked(r, s, v);
    }

    function _mustFail(Purchase memory purchase, bytes memory signature) private {
        try sale.buy(purchase, signature) {
            ++breaches;
        } catch {}
    }
}
